"""Decode one frame with GDCM: a description as the argument, the frame on stdin, layout and pixels on stdout.

Run as a script by `mini_rcnn.data.films.dicom_gdcm`, in a process that may die of it.
"""

from __future__ import annotations

import json
import os
import sys


def limit_memory(amount):
    """Bound this process's addresses, where the system can."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (amount, amount))
    except (ImportError, ValueError, OSError):
        pass


def encoded_image(gdcm, frame, about, keep):
    """Return the frame as GDCM's image; what it refers to is put into ``keep``, which has to live as long."""
    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(frame)
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    reference = fragments.__ref__()
    element.SetValue(reference)
    keep += [fragment, fragments, reference, element]  # without the reference, GDCM counts wrong and aborts
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((about["columns"], about["rows"], 1))
    image.SetDataElement(element)
    photometric = gdcm.PhotometricInterpretation.GetPIType(about["photometric"])
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(photometric))
    bits = about["allocated"], about["stored"], about["stored"] - 1
    image.SetPixelFormat(gdcm.PixelFormat(about["samples"], *bits, about["signed"]))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(about["syntax"])))
    return image


def main():
    """Decode, write, and leave without tidying up: GDCM's own ends some processes."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != here]  # its files.py is not for others
    import gdcm

    about, keep = json.loads(sys.argv[1]), []
    limit_memory(about["memory"])
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    encoded = encoded_image(gdcm, sys.stdin.buffer.read(), about, keep)
    change.SetInput(encoded)  # which does not keep it alive
    if not change.Change():
        os._exit(3)
    image = change.GetOutput()
    pixels = image.GetBuffer().encode("utf-8", "surrogateescape")  # GDCM hands bytes over as text
    layout = {"planar": image.GetPlanarConfiguration(), "allocated": image.GetPixelFormat().GetBitsAllocated()}
    sys.stdout.buffer.write(json.dumps(layout).encode() + b"\n" + pixels)
    sys.stdout.buffer.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
