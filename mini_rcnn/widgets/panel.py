"""What panels have in common: a heading, labelled controls, words that are read out, and a still."""

from __future__ import annotations

from html import escape

import ipywidgets as widgets

from mini_rcnn.view.still import beside_each_other, png_of

LABELLED = {"description_width": "150px"}
WIDE, WHOLE = "420px", "calc(100% - 4px)"  # and no wider than the column; a control has 2 pixels around it


class Panel(widgets.VBox):
    """A panel of the lab: all of its state is in its controls, so that it can be driven without a browser.

    A panel calls ``super().__init__(heading, children)``, observes its controls with `on`, and has a ``refresh()`` that
    draws anew from what the controls say. Whatever goes wrong in a refresh is said in the panel and nowhere else.
    """

    def __init__(self, heading, children):
        self.message = widgets.HTML()
        title = widgets.HTML(
            f'<div role="heading" aria-level="3" style="font-weight:bold;font-size:16px">{escape(heading)}</div>'
        )
        super().__init__([title, *children, self.message])
        self.heading = heading

    def on(self, *controls):
        """Have `refresh` called when one of the controls changes."""
        for control in controls:
            control.observe(lambda change: self.update(), "value")

    def update(self):
        """Draw anew; say in the panel what cannot be drawn."""
        try:
            self.refresh()
        except Exception as error:
            self.message.value = words(f"This cannot be shown: {type(error).__name__}: {error}", urgent=True)
        else:
            self.message.value = ""

    def refresh(self):
        """Draw anew from what the controls say."""
        raise NotImplementedError

    def still(self):
        """Return what is seen, as HTML without a kernel: for notebooks that are only read."""
        return "".join(part.still() if hasattr(part, "still") else "" for part in self.drawings())

    def drawings(self):
        """Return the canvases of the panel."""
        return []

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        bundle["text/plain"] = f"{self.heading} (panel)"
        images = [part.image() for part in self.drawings() if hasattr(part, "image")]
        if images:  # what a notebook that is opened and not run shows
            bundle["image/png"] = png_of(beside_each_other(images))
        return bundle


def beside(*parts, **layout):
    """Return parts side by side; those that have no room there go below."""
    return widgets.HBox(list(parts), layout=widgets.Layout(flex_flow="row wrap", **layout))


def column(*parts, width, **layout):
    """Return parts below each other, in a column that goes below its neighbour unless it has ``width`` pixels there."""
    return widgets.VBox(list(parts), layout=widgets.Layout(flex=f"1 1 {width}px", min_width="0", **layout))


def words(text, *, urgent=False):
    """Return a text for a panel that is read out when it changes."""
    role = 'role="alert" style="color:#D55E00"' if urgent else 'role="status" aria-live="polite"'
    return f"<div {role}>{escape(text)}</div>"


def slider(description, value, *, low=0.0, high=1.0, step=0.01, form=".2f", tooltip=""):
    """Return a labelled slider that reports while it is moved."""
    return widgets.FloatSlider(
        value,
        min=low,
        max=high,
        step=step,
        description=description,
        readout_format=form,
        continuous_update=True,
        style=LABELLED,
        layout=widgets.Layout(width=WIDE, max_width=WHOLE),
        tooltip=tooltip or None,
    )


def whole_slider(description, value, *, low=0, high=10):
    """Return a labelled slider of whole numbers."""
    return widgets.IntSlider(
        value,
        min=low,
        max=high,
        description=description,
        continuous_update=True,
        style=LABELLED,
        layout=widgets.Layout(width=WIDE, max_width=WHOLE),
    )


def table(rows, head=()):
    """Return a small table as HTML; every value is escaped."""
    cells = "padding:1px 10px 1px 0;text-align:left"
    top = "".join(f'<th scope="col" style="{cells}">{escape(str(value))}</th>' for value in head)
    body = "".join(
        "<tr>" + "".join(f'<td style="{cells}">{escape(str(value))}</td>' for value in row) + "</tr>" for row in rows
    )
    return f'<table style="font-size:14px"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
