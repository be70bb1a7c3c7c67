// Draws shapes over a picture, and says what was dragged, clicked or pointed at. What the shapes mean, Python knows:
// mini_rcnn/view/shapes.py makes them, and svg_of there draws the same without a browser.
const NS = "http://www.w3.org/2000/svg";

function node(name, attributes) {
  const made = document.createElementNS(NS, name);
  for (const key of Object.keys(attributes)) made.setAttribute(key, attributes[key]);
  return made;
}

function render({ model, el }) {
  const svg = node("svg", { role: "img", tabindex: "-1" });
  svg.style.cssText = "display:block;max-width:100%;height:auto;touch-action:none;user-select:none";
  const picture = node("image", { x: 0, y: 0 });
  picture.style.imageRendering = "pixelated";
  const layer = node("g", {});
  const ring = node("style", {}); // the browser's own ring grows with the picture's pixels
  ring.textContent =
    ".mini-rcnn-canvas [data-name]:focus{outline:none}.mini-rcnn-canvas [data-name]:focus-visible{" +
    "outline:calc(2.5px*var(--unit)) solid #fff;filter:drop-shadow(0 0 calc(2px*var(--unit)) #000)}";
  svg.setAttribute("class", "mini-rcnn-canvas");
  svg.append(ring, picture, layer);
  el.append(svg);
  let unit = 1; // pixels of the picture for one of the screen
  let held = null; // what is being dragged: {name, at, start, from, moved}
  let waiting = false;

  function frame() {
    const [height, width] = model.get("size");
    const [high, wide] = model.get("shown");
    unit = width / wide;
    svg.style.setProperty("--unit", unit);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", wide);
    svg.setAttribute("height", high);
    svg.setAttribute("aria-label", model.get("title"));
    picture.setAttribute("width", width);
    picture.setAttribute("height", height);
  }

  function show() {
    const uri = model.get("picture");
    if (uri) picture.setAttribute("href", uri);
    else picture.removeAttribute("href");
  }

  function place(event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [at.y, at.x];
  }

  function say(key, value) {
    model.set(key, value);
    if (waiting) return; // once a frame is as often as anybody sees
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      model.save_changes();
    });
  }

  function pen(shape) {
    const made = { stroke: shape.stroke, "stroke-width": shape.width * unit };
    if (shape.dash) made["stroke-dasharray"] = shape.dash.split(" ").map((part) => part * unit).join(" ");
    return made;
  }

  function rectangle(at) {
    return { x: at[1], y: at[0], width: Math.max(0, at[3] - at[1]), height: Math.max(0, at[2] - at[0]) };
  }

  function label(shape, at) {
    const size = model.get("text") * unit;
    const y = Math.max(at[0], 1.3 * size);
    const words = node("text", { x: at[1] + 0.2 * size, y: y - 0.3 * size, "font-size": size, fill: shape.stroke });
    words.textContent = shape.label;
    words.style.cssText = "font-family:sans-serif;pointer-events:none";
    const back = node("rect", {
      x: at[1], y: y - 1.3 * size, width: 0.62 * size * shape.label.length + 0.4 * size, height: 1.3 * size,
      fill: "#000", "fill-opacity": 0.7,
    });
    back.style.pointerEvents = "none";
    return [back, words];
  }

  function drawn(shape) {
    const at = held && held.name === shape.name ? held.at : shape.at;
    if (shape.kind === "text") {
      const words = node("text", { x: at[1], y: at[0], "font-size": shape.size * unit, "text-anchor": shape.anchor, fill: shape.colour });
      words.textContent = shape.text;
      words.style.cssText = "font-family:sans-serif;pointer-events:none";
      return [words];
    }
    let made;
    let extra = [];
    if (shape.kind === "image") {
      made = node("image", { ...rectangle(at), href: shape.uri, preserveAspectRatio: "none" });
      made.style.imageRendering = shape.smooth ? "auto" : "pixelated";
      made.style.pointerEvents = "none";
      return [made];
    }
    if (shape.kind === "cell") made = node("rect", { ...rectangle(at), fill: shape.colour, "fill-opacity": shape.opacity });
    if (shape.kind === "line") made = node("polyline", { points: at.map((p) => `${p[1]},${p[0]}`).join(" "), fill: "none", ...pen(shape) });
    if (shape.kind === "boxes") {
      const path = at.map(([y1, x1, y2, x2]) => `M${x1} ${y1}H${Math.max(x1, x2)}V${Math.max(y1, y2)}H${x1}Z`).join("");
      made = node("path", { d: path, fill: "none", ...pen(shape) });
      made.style.pointerEvents = "none";
    }
    if (shape.kind === "point") made = node("circle", { cx: at[1], cy: at[0], r: shape.radius * unit, fill: shape.stroke });
    if (shape.kind === "box") {
      made = node("rect", { ...rectangle(at), fill: "transparent", ...pen(shape) });
      made.style.pointerEvents = shape.drag ? "all" : shape.name ? "visibleStroke" : "none";
      if (shape.label) extra = label(shape, at);
      if (shape.name && !shape.drag) {
        // A thin, broken line is hard to hit: this one is wide and not seen.
        const grip = node("rect", { ...rectangle(at), fill: "none", stroke: "transparent", "stroke-width": 9 * unit, "data-name": shape.name });
        grip.style.cssText = "pointer-events:stroke;cursor:pointer";
        extra.push(grip);
      }
    }
    if (shape.hint) {
      const title = node("title", {});
      title.textContent = shape.hint;
      made.append(title);
    }
    if (shape.name) {
      made.dataset.name = shape.name;
      made.setAttribute("tabindex", "0");
      made.setAttribute("role", "button");
      made.setAttribute("aria-label", shape.hint || shape.label || shape.name);
      made.style.cursor = shape.drag ? "move" : "pointer";
    }
    return [made, ...extra];
  }

  // What is on the screen becomes what is asked for: nodes stay, so that nothing flickers and a click is not lost.
  function become(old, made) {
    for (const { name } of [...old.attributes]) if (!made.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of made.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    if (old.textContent !== made.textContent) old.replaceChildren(...made.childNodes);
  }

  function draw() {
    const focused = layer.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    const shapes = model.get("shapes");
    const wanted = shapes.flatMap(drawn);
    const there = [...layer.children];
    wanted.forEach((made, number) => {
      const old = there[number];
      if (!old) layer.append(made);
      else if (old.tagName === made.tagName) become(old, made);
      else old.replaceWith(made);
    });
    for (const old of there.slice(wanted.length)) old.remove();
    svg.setAttribute("role", shapes.some((shape) => shape.name) ? "group" : "img"); // an img hides its parts from readers
    if (focused && document.activeElement.dataset.name !== focused) {
      const again = [...layer.querySelectorAll("[data-name]")].find((each) => each.dataset.name === focused);
      if (again) again.focus({ preventScroll: true });
    }
  }

  function shapeOf(event) {
    const name = event.target.closest("[data-name]") && event.target.closest("[data-name]").dataset.name;
    return name && model.get("shapes").find((shape) => shape.name === name);
  }

  function picked(name) {
    say("picked", { name, count: (model.get("picked").count || 0) + 1 });
  }

  function dragged(name, at) {
    say("dragged", { name, at: at.map((value) => Math.round(value * 100) / 100), count: (model.get("dragged").count || 0) + 1 });
  }

  layer.addEventListener("click", (event) => {
    const shape = shapeOf(event);
    if (shape && !shape.drag) picked(shape.name); // of those that can be dragged, drop tells a click from a move
  });

  layer.addEventListener("pointerdown", (event) => {
    const shape = shapeOf(event);
    if (!shape || !shape.drag || event.button) return;
    held = { name: shape.name, at: [...shape.at], start: [...shape.at], from: place(event), moved: false };
    svg.setPointerCapture(event.pointerId);
    event.target.focus({ preventScroll: true });
    event.preventDefault();
  });

  svg.addEventListener("pointermove", (event) => {
    const now = place(event);
    if (held) {
      const [down, right] = [now[0] - held.from[0], now[1] - held.from[1]];
      held.moved = held.moved || Math.hypot(down, right) > 2 * unit;
      if (!held.moved) return;
      held.at = [held.start[0] + down, held.start[1] + right, held.start[2] + down, held.start[3] + right];
      dragged(held.name, held.at);
      draw();
    } else if (model.get("follows")) {
      say("cursor", now.map((value) => Math.round(value * 100) / 100));
    }
  });

  function drop(event) {
    if (held && held.moved) dragged(held.name, held.at);
    else if (held && event.type === "pointerup") picked(held.name);
    if (held) setTimeout(draw, 300); // where the panel did not follow, the box goes back
    held = null;
  }
  svg.addEventListener("pointerup", drop);
  svg.addEventListener("pointercancel", drop);

  layer.addEventListener("keydown", (event) => {
    const shape = shapeOf(event);
    if (!shape) return;
    if (event.key === "Enter" || event.key === " ") {
      picked(shape.name);
      event.preventDefault();
      event.stopPropagation();
    }
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || !shape.drag) return;
    const far = event.shiftKey ? 8 : 1; // pixels of the picture
    const by = [step[0] * far, step[1] * far, step[0] * far, step[1] * far];
    dragged(shape.name, shape.at.map((value, number) => value + by[number]));
    event.preventDefault();
    event.stopPropagation();
  });

  model.on("change:size change:shown change:title", () => { frame(); draw(); });
  model.on("change:picture", show);
  model.on("change:shapes", draw);
  frame();
  show();
  draw();
}

export default { render };
