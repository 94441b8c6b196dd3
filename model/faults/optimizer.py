"""Faults of the optimizer and of the learning rate's schedule."""

from __future__ import annotations

from typing import Any

from torch import nn

from model.faults.context import InjectionContext
from model.faults.fault import Severity, fault


@fault(
    "training",
    origin="the rate is scaled by the number of devices, or was not, when the job was ported",
    severity=Severity(default=0.9, meaning="factor of the rate", low=0.0, high=1000.0),
)
def learning_rate(context: InjectionContext, severity: float) -> None:
    """Another learning rate, which the log shows."""
    if context.fresh:
        for group in context.optimizer.param_groups:
            group["lr"] *= severity
            group["initial_lr"] *= severity


@fault(
    "training",
    origin="a fused optimizer kernel that applies the rate wrongly",
    severity=Severity(default=0.9, meaning="factor of every update", low=0.0, high=1000.0),
)
def hidden_update(context: InjectionContext, severity: float) -> None:
    """Updates of another size, while the logged learning rate is right."""
    rates: list[float] = []

    def scale() -> None:
        rates[:] = [group["lr"] for group in context.optimizer.param_groups]
        for group in context.optimizer.param_groups:
            group["lr"] *= severity

    def restore() -> None:
        for group, rate in zip(context.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    context.before_update(scale)
    context.after_update(restore)


@fault(
    "training",
    origin="the scheduler is written anew for the port's framework",
    severity=Severity(default=1.0, meaning="power of the polynomial", low=0.0, high=10.0),
)
def schedule_power(context: InjectionContext, severity: float) -> None:
    """A learning rate that decays with another power."""
    for scheduler in _schedulers(context):
        scheduler.power = severity


@fault(
    "training",
    origin="steps are counted per device, or over epochs of another length",
    severity=Severity(default=0.5, meaning="factor of the number of steps", low=0.01, high=100.0),
)
def schedule_length(context: InjectionContext, severity: float) -> None:
    """A learning rate that decays over another number of steps."""
    for scheduler in _schedulers(context) if context.fresh else ():
        steps = max(2, round((scheduler.end - scheduler.begin) * severity))
        scheduler.end = scheduler.begin + steps
        scheduler.total_iters = steps - 1


@fault("training", origin="the call of the scheduler was lost in the port's loop")
def schedule_stuck(context: InjectionContext) -> None:
    """A learning rate that stays as it started."""
    for scheduler in _schedulers(context):
        scheduler.end = scheduler.begin


@fault(
    "training",
    origin="the scheduler is stepped before the optimizer, or counts from 1",
    severity=Severity(default=10, meaning="steps", low=1, high=10000, whole=True),
)
def schedule_ahead(context: InjectionContext, severity: float) -> None:
    """A schedule that runs ahead by some steps."""
    for scheduler in _schedulers(context) if context.fresh else ():
        for _ in range(int(severity)):
            scheduler.optimizer._global_step += 1  # else mmengine warns of the order, in the log
            scheduler.step()


@fault("training", origin="a resumed run builds its scheduler anew and does not load its state")
def schedule_restarted(context: InjectionContext) -> None:
    """At the middle of the run the schedule starts again from its first rate."""
    last = int(context.runner.max_iters) // 2 - 1  # before the restart
    due = [last] if context.step <= last else []

    def restart() -> None:
        if due and context.step >= due[0]:
            due.pop()
            for scheduler in _schedulers(context):  # they are stepped right after this
                scheduler.last_step = scheduler._global_step = -1
            for group in context.optimizer.param_groups:
                group["lr"] = group["initial_lr"]

    context.after_update(restart)


@fault(
    "training",
    origin="the optimizer's argument is dropped or has another meaning on the port",
    severity=Severity(default=0.0, meaning="factor of the weight decay", low=0.0, high=1000.0),
)
def weight_decay(context: InjectionContext, severity: float) -> None:
    """Another weight decay, or none."""
    if context.fresh:
        for group in context.optimizer.param_groups:
            group["weight_decay"] *= severity


@fault("training", origin="other frameworks leave norms and biases out by default")
def weight_decay_spares_vectors(context: InjectionContext) -> None:
    """No weight decay on biases and on the weights of normalisations."""

    def take_out() -> None:
        for group in context.optimizer.param_groups:
            for p in group["params"]:
                if p.ndim <= 1 and p.grad is not None:
                    p.grad.sub_(p.detach(), alpha=group["weight_decay"])

    context.before_update(take_out)


@fault(
    "training",
    origin="the port's optimizer has another default",
    severity=Severity(default=0.8, meaning="momentum", low=0.0, high=0.9999),
)
def momentum(context: InjectionContext, severity: float) -> None:
    """Another momentum."""
    for group in context.optimizer.param_groups:
        group["momentum"] = severity


@fault("training", origin="the port's optimizer has Nesterov's form by default")
def nesterov(context: InjectionContext) -> None:
    """Nesterov's momentum instead of the plain one."""
    for group in context.optimizer.param_groups:
        group["nesterov"] = True


@fault(
    "training",
    origin="momentum is written as a moving average: (1 - d) times the gradient enters",
    severity=Severity(default=0.1, meaning="dampening", low=0.0, high=1.0),
)
def dampening(context: InjectionContext, severity: float) -> None:
    """Gradients that enter the momentum damped."""
    for group in context.optimizer.param_groups:
        group["dampening"] = severity


@fault(
    "training",
    origin="a checkpoint without the optimizer's state, when the run is resumed",
    severity=Severity(
        default=1, meaning="times, evenly over the run", low=1, high=1000, whole=True
    ),
)
def momentum_lost(context: InjectionContext, severity: float) -> None:
    """The momentum starts from zero again in the course of the run."""
    parts = int(severity) + 1
    steps = (int(context.runner.max_iters) * i // parts for i in range(1, parts))
    due = [step for step in steps if step >= context.step]

    def forget() -> None:
        if due and context.step >= due[0]:  # with summed gradients not every step is an update
            due.pop(0)
            context.optimizer.state.clear()

    context.before_update(forget)


@fault(
    "training",
    origin="a check for overflow that raises false alarms",
    severity=Severity(
        default=4, meaning="updates from one to the next", low=2, high=10000, whole=True
    ),
)
def update_skipped(context: InjectionContext, severity: float) -> None:
    """Every so many updates of the optimizer, an update is skipped."""

    def skip() -> None:
        if context.update % int(severity) == int(severity) - 1:
            _without_gradients(context.parameters())

    context.before_update(skip)


@fault("training", origin="a parameter that the port's exporter did not register")
def frozen_stem(context: InjectionContext) -> None:
    """The backbone's stem is not trained."""
    _freeze(context, list(context.model.backbone.stem.parameters()))


@fault("training", origin="a setting that freezes stages has another default")
def frozen_stage(context: InjectionContext) -> None:
    """The backbone's first stage is not trained."""
    _freeze(context, list(context.model.backbone.layer1.parameters()))


@fault("training", origin="the head is wrapped separately and is missing in the optimizer")
def frozen_head(context: InjectionContext) -> None:
    """The decode head is not trained."""
    _freeze(context, list(context.model.decode_head.parameters()))


@fault("training", origin="a fused kernel gives no gradient of its bias")
def frozen_biases(context: InjectionContext) -> None:
    """No bias is trained, nor that of a normalisation."""
    named = context.model.named_parameters()
    _freeze(context, [p for name, p in named if name.endswith(".bias")])


def _schedulers(context: InjectionContext) -> list[Any]:
    """Returns the schedulers of the run; a config may have none."""
    return list(context.runner.param_schedulers or [])


def _freeze(context: InjectionContext, parameters: list[nn.Parameter]) -> None:
    context.before_update(lambda: _without_gradients(parameters))


def _without_gradients(parameters: list[nn.Parameter]) -> None:
    """Takes the gradients away; the optimizer passes over a parameter that has none."""
    for parameter in parameters:
        parameter.grad = None
