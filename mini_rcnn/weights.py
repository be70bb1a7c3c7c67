"""A network's numbers in a file: our own, and Matterport's ``.h5``, read and written layer by layer.

Both are read as arrays alone: nothing in a file is ever run. Keras's own ``load_model`` runs code that an ``.h5``
carries, and its ``load_weights(by_name=True)`` loads nothing, in silence, where no layer's name matches.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np

from .config import Config, from_dict, to_dict
from .data.files import write_arrays, written_beside
from .parameters import NORM_PARTS, WeightsError, is_recorded, parameter_shapes

FORMAT = "mini-rcnn weights"
VERSION = 1
MAX_BYTES = 4 << 30  # a file that claims to hold more is refused
RPN = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")  # a model within the model, to Keras
KERAS_PARTS = {"mean": "moving_mean", "variance": "moving_variance"}


def shapes_of(config):
    """Return the shape of every array of a configuration's network."""
    return parameter_shapes(
        blocks=config.backbone.blocks,
        width=config.backbone.width,
        pyramid_channels=config.backbone.pyramid_channels,
        rpn_channels=config.proposals.rpn_channels,
        head_units=config.heads.box_units,
        mask_channels=config.heads.mask_channels,
        n_classes=config.n_classes,
        anchors_per_place=len(config.anchors.ratios),
        pool_size=config.heads.box_pool_size,
    )


def checksum(arrays):
    """Return the SHA-256 of arrays with their names and shapes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def save_weights(path, weights, config, *, facts=None, dtype=np.float32):
    """Write a network's arrays with its configuration, whole or not at all.

    Parameters
    ----------
    path : path
        By custom ``*.weights.npz``.
    weights : mapping of str to ndarray
    config : Config
    facts : dict, optional
        What else is to be known, such as the data and the score: plain values.
    dtype : numpy dtype
        float16 halves the file; it is read back as float32. Recorded means and variances stay float32: the variance
        of grey levels may be more than float16's largest number, 65,504.
    """
    arrays = {name: np.asarray(array, np.float32 if is_recorded(name) else dtype) for name, array in weights.items()}
    head = {
        "format": FORMAT,
        "version": VERSION,
        "config": to_dict(config),
        "facts": facts or {},
        "sha256": checksum(arrays),
    }
    with written_beside(path) as file:
        write_arrays(file, {"head": np.array(json.dumps(head, sort_keys=True)), **dict(sorted(arrays.items()))})


def load_weights(path):
    """Return the arrays of a file, its configuration and its facts.

    Parameters
    ----------
    path : path
        Written by `save_weights`.

    Returns
    -------
    weights : dict of str to ndarray, float32
    config : Config
    facts : dict

    Raises
    ------
    WeightsError
        If the file is missing, cut off, damaged, of another kind or version, does not fit its own configuration, or
        holds numbers that are not finite.
    """
    arrays, head = read_archive(Path(path))
    try:
        config = from_dict(Config, head["config"])
    except (ValueError, KeyError) as error:
        raise WeightsError(f"{path}: its configuration cannot be used: {error}.") from None
    weights = {name: array.astype(np.float32) for name, array in arrays.items()}
    fit(path, weights, shapes_of(config))
    return weights, config, head["facts"]


@contextlib.contextmanager
def blaming(file):
    """Name the file whose weights turn out to be of no use while a network of them runs."""
    try:
        yield
    except WeightsError as error:
        raise WeightsError(f"{file}: {error}") from None


def read_archive(path, *, kind="weights file", form=FORMAT, version=VERSION, networks=1, error=WeightsError):
    """Return the arrays and the head of one of our files, its checksum held; nothing of it is believed before or run.

    Parameters
    ----------
    path : Path
    kind : str
        What the file should be, for the texts.
    form, version : str, int
        What its head should say.
    networks : int
        How many times a network's numbers it may hold; a file that claims to unpack to more is refused.
    error : type
        What is raised.
    """
    if not path.exists():
        raise error(f"{path}: there is no such file.")
    max_bytes = networks * MAX_BYTES
    try:
        with zipfile.ZipFile(str(path)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > max_bytes:
                raise error(f"{path}: claims to unpack to more than {max_bytes >> 30} GiB; it is no {kind}.")
        with np.load(str(path), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        head = json.loads(str(arrays.pop("head")))
    except error:
        raise
    except Exception as fault:  # zipfile, zlib, NumPy and json each have their own ways to say it
        pickled = "allow_pickle" in str(fault)
        reason = "it holds pickled objects, which can run code" if pickled else "it is cut off or damaged"
        raise error(f"{path}: no {kind} of this lab, or {reason}.") from None
    if not isinstance(head, dict) or head.get("format") != form:
        raise error(f"{path}: no {kind} of this lab.")
    if head.get("version") != version:
        raise error(f"{path}: written as version {head.get('version')!r}; this lab reads version {version}.")
    if checksum(arrays) != head.get("sha256"):
        raise error(f"{path}: its numbers do not give the checksum it was written with; get the file again.")
    return arrays, head


def fit(path, weights, shapes, *, exclude=()):
    """Refuse weights that lack an array, have one too many, or one of another shape or not finite; say which.

    Parameters
    ----------
    path : path
        For the text.
    weights : mapping of str to ndarray
    shapes : mapping of str to tuple
    exclude : collection of str
        Layers that need not fit.
    """
    wanted = {name: shape for name, shape in shapes.items() if name.split("/")[0] not in exclude}
    wrong = [
        f"{name} is {weights[name].shape}, the network's is {tuple(shape)}"
        for name, shape in wanted.items()
        if name in weights and weights[name].shape != tuple(shape)
    ]
    missing = [f"{name} is missing" for name in wanted if name not in weights]
    extra = [f"{name} is not in the network" for name in weights if name not in shapes]
    found = wrong + missing + extra
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        hint = ""
        if any(text.startswith(("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask/")) for text in wrong):
            hint = (
                " They were trained for another number of classes: exclude those layers, or set the classes to match."
            )
        raise WeightsError(f"{path}: does not fit the network: {'; '.join(found[:5])}{more}.{hint}")
    lost = [name for name in wanted if not np.isfinite(weights[name]).all()]
    if lost:  # such a network finds nothing on any film, and says no word of it
        raise WeightsError(
            f"{path}: {lost[0]}, the first of {len(lost)}, holds NaN or infinite numbers; the training that wrote it "
            "went wrong. Take weights from before that."
        )


def keras_name(name):
    """Return what Keras calls an array.

    >>> keras_name("bn_conv1/mean")
    'bn_conv1/moving_mean:0'
    """
    layer, part = name.split("/")
    return f"{layer}/{KERAS_PARTS.get(part, part)}:0"


def read_matterport(path, config, *, exclude=()):
    """Return the arrays of a Matterport ``.h5``, by our names.

    Parameters
    ----------
    path : path
        Such as ``mask_rcnn_pneumonia_0021.h5`` or ``mask_rcnn_coco.h5``.
    config : Config
        The network that is to be filled.
    exclude : collection of str
        Layers that are left out, as Matterport's ``exclude``: ``("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask")``
        for weights of another number of classes.

    Returns
    -------
    weights : dict of str to ndarray, float32
        Without the excluded layers.

    Raises
    ------
    WeightsError
        If the file is missing, no HDF5, cut off, its arrays do not fit, which, and what to exclude, or are not finite.
    """
    import h5py

    if not Path(path).exists():
        raise WeightsError(f"{path}: there is no such file.")
    try:
        with h5py.File(str(path), "r") as file:
            group = file["model_weights"] if "model_weights" in file else file
            found = {}
            group.visititems(lambda name, item: found.update(h5_array(name, item)))
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{path}: no HDF5 file of weights, or cut off ({type(error).__name__}).") from None
    shapes = shapes_of(config)
    if not set(found) & set(shapes):
        raise WeightsError(f"{path}: holds no layer of a Mask R-CNN; its first arrays: {sorted(found)[:3]}.")
    weights = {name: array for name, array in found.items() if name in shapes and name.split("/")[0] not in exclude}
    fit(path, weights, shapes, exclude=exclude)
    return weights


def h5_array(name, item):
    """Return ``{our name: array}`` of a dataset in a Keras file, nothing of a group."""
    if not hasattr(item, "shape") or name.count("/") < 1:
        return {}
    layer, part = name.split("/")[-2:]
    part = part.split(":")[0]
    ours = {keras: part for part, keras in KERAS_PARTS.items()}.get(part, part)
    return {f"{layer}/{ours}": np.asarray(item, np.float32)}


def write_matterport(path, weights):
    """Write arrays as Matterport's ``model.load_weights(path, by_name=True)`` reads them.

    Parameters
    ----------
    path : path
    weights : mapping of str to ndarray
        By our names.
    """
    import h5py

    layers = {}
    for name in weights:
        layer = name.split("/")[0]
        layers.setdefault("rpn_model" if layer in RPN else layer, []).append(name)
    order = ("kernel", "bias") + NORM_PARTS
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in sorted(layers)]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.2.5"
        for layer, names in layers.items():
            group = file.create_group(layer)
            names = sorted(
                names,
                key=lambda name: (RPN + (layer,)).index(name.split("/")[0]) * 10 + order.index(name.split("/")[1]),
            )
            group.attrs["weight_names"] = [keras_name(name).encode() for name in names]
            for name in names:
                group.create_dataset(keras_name(name), data=np.asarray(weights[name], np.float32))
    with written_beside(path) as file:
        file.write(content.getvalue())
