// One finger moves the view sideways and two fingers zoom. Vertical movement scrolls the page.

const listenToFingers = (over, { view, show }) => {
  const fingers = new Map();
  const step = (x) => {
    const box = over.getBoundingClientRect();
    return view.from + ((x - box.left) / box.width) * (view.to - view.from);
  };
  over.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse") return;
    over.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event.clientX);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    over.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  over.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = [...fingers.values()].map(step);
    fingers.set(event.pointerId, event.clientX);
    const after = [...fingers.values()].map(step);
    if (before.length === 1) {
      const moved = before[0] - after[0];
      show(view.from + moved, view.to + moved);
    } else if (before.length === 2) {
      const spread = Math.abs(after[0] - after[1]);
      const factor = spread > 0 ? Math.abs(before[0] - before[1]) / spread : 1;
      const middle = (before[0] + before[1]) / 2;
      show(middle - factor * (middle - view.from), middle + factor * (view.to - middle));
    }
  });
};
