"""A callback that begins Hugging Face's Trainer from the same start."""

from same_start import Log, begin, moved
from transformers import TrainerCallback


class SameStart(TrainerCallback):
    """Loads the weights, states the first batch, and logs every step with all digits."""

    def __init__(self, log, weights, draw=0):
        self.path, self.weights, self.draw = log, weights, draw
        self.out, self.step = None, 0

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.model, self.writes = model, state.is_world_process_zero
        begin(model, self.weights, self.draw)
        model.register_forward_pre_hook(self.before, with_kwargs=True)
        model.register_forward_hook(self.after)

    def before(self, model, positional, inputs):
        if self.out is None and self.writes:
            first = next(x for name, x in inputs.items() if name != "labels")
            self.out = Log(self.path, model, [(first, inputs["labels"])], draw=self.draw)
        return positional, {name: moved(x, self.draw, self.step) for name, x in inputs.items()}

    def after(self, model, positional, output):
        self.loss = output["loss"]

    def on_optimizer_step(self, args, state, control, **kwargs):
        if self.writes:
            self.out.write(self.step, self.loss)
        self.step += 1
