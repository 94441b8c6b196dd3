"""The words by which training programs name phases, counters and figures."""

from __future__ import annotations

from harness.parse.sets import EVALUATIONS

TRAINING = frozenset({"train", "training", "trn"})
EVALUATION = EVALUATIONS | {"cv"}
GLOBAL_COUNTERS = frozenset(
    {"globalstep", "globalsteps", "currentsteps", "currentstep", "numupdates", "update", "updates"}
    | {"up.", "trainerglobalstep", "optimizerstep", "curstep"}
)
"""Counters that run over the whole training, in small letters and without `_`, `/` and blanks."""
BATCHES = ("batch", "minibatch")
"""Words that count batches, and name the number of samples in a batch as often."""

NO_QUALIFIER = frozenset(
    {"a", "an", "and", "at", "by", "for", "has", "in", "is", "of", "on", "per", "the", "to"}
    | {"was", "with", "this", "new", "now", "got", "its"}
    | {"batch", "current", "cur", "epoch", "epochs", "it", "iter", "iteration", "iterations"}
    | {"iters", "itr", "itrs", "its", "minibatch", "rank", "s", "sec", "step", "steps", "ms"}
    | {"info", "debug", "warning", "done", "finished", "set", "it/s", "batches"}
    | {"nan", "inf", "infinity", "none", "null", "true", "false"}  # values of the figure before
)
"""Words before `loss` that are no part of its name."""
MEANS = frozenset({"avg", "average", "mean", "averaged"})
SCORES = frozenset(
    {
        "acc",
        "accuracy",
        "acc1",
        "acc5",
        "acc@1",
        "acc@5",
        "top1",
        "top5",
        "error",
        "merror",
        "auc",
        "aucpr",
        "map",
        "miou",
        "iou",
        "pixacc",
    }
    | {"f1", "bleu", "ppl", "perplexity", "wer", "cer", "translation", "chrf", "rouge", "ndcg"}
)
"""Figures, in small letters, that say how good a model is."""
TOTALS = frozenset({"loss", "total_loss", "train_loss", "training_loss", "lm_loss", "loss_total"})
"""Names of the judged loss, in small letters."""
NOT_A_LOSS = frozenset(
    {"scale", "scaler", "scaling", "weight", "weights", "coef", "coeff"}
    | {"type", "name", "ppl", "lr", "grad", "norm", "time", "decode", "reduction"}
)
"""Parts of a name with `loss` in it that is no loss."""
FUNCTIONS = frozenset({"fn", "func", "function"})
"""Parts behind `loss` of the name of a setting; `value function loss` is a loss."""
OTHER_LOSSES = frozenset({"xent", "nll", "cost", "trl", "tel", "learn"})
"""What OpenNMT, Marian, llm.c and CatBoost call the loss, where a line names no other."""
NAMED_LOSSES = frozenset({"cross-entropy", "ce-mean-words"})
"""Losses without `loss` in their name that keep it: those that Marian validates by."""
TEST_LOSSES = frozenset({"tel"})

LEARNING_RATES = frozenset(
    {"lr", "learning_rate", "learning rate", "base_lr", "cur_lr", "train_lr", "optim0_lr0", "l.r."}
    | {"train_learning_rate"}
)
GRADIENT_NORMS = frozenset(
    {"grad_norm", "gradnorm", "gnorm", "grad norm", "gradient_norm", "gradient norm"}
    | {"global_norm", "global norm", "global_grad_norm", "norm", "total_norm", "grad-norm"}
)
TWO_WORDS = {
    "norm": frozenset({"grad", "gradient", "global", "total"}),
    "rate": frozenset({"learning"}),
    "scale": frozenset({"loss", "grad"}),
    "value": frozenset({"loss"}),
    "total": frozenset({"loss"}),
    "ppl": frozenset({"loss"}),
}
"""Second words of names, and the words before them that belong to the name."""

POSITIONS = (
    TRAINING
    | EVALUATION
    | frozenset(
        {"epoch", "epochs", "ep", "step", "steps", "iter", "iters", "iteration", "iterations", "it"}
        | {"itr", "itrs", "its"}
        | {
            "batch",
            "batch_id",
            "batch_idx",
            "batches",
            "rank",
            "local_rank",
            "global_rank",
            "device",
        }
        | {"global_step", "global_steps", "global step", "num_updates", "updates", "update", "up."}
        | {"current_steps", "total_steps", "max_steps", "total", "pid", "size", "world_size", "up"}
        | {"trainer/global_step", "train_step", "n_iter", "iter_num", "node", "worker", "seed"}
        | {"xla", "npu", "cuda", "sdaa", "mlu", "gpu", "rank"}
    )
)
"""Names of counters, phases and processes: a number behind them is no figure of the training."""
SPEEDS = frozenset(
    {"s", "eta", "time", "data", "mem", "memory", "max mem", "mfu", "ips", "tps", "speed", "v_num"}
    | {
        "batch_cost",
        "reader_cost",
        "data_cost",
        "avg_batch_cost",
        "avg_reader_cost",
        "elapsed",
        "percentage",
    }
    | {"data_time", "batch_time", "iter_time", "step_time", "per_step_time", "throughput", "wps"}
    | {"ups", "wpb", "bsz", "wall", "train_wall", "gb_free", "tgs", "tflops", "dt", "tokens"}
    | {"samples", "sents", "tok", "gpu_mem", "cost_time", "avg_samples", "max_mem", "rate"}
    | {"progress_or_epoch", "current_memory_allocated", "max_memory_allocated", "eta_seconds"}
    | {"tokens_per_second_per_gpu", "interval_runtime"}
    | {"n_parameters", "bad_epochs", "total_flos", "total_tokens", "globalrate"}
    | {"elapsed_time", "remaining_time", "date", "ms", "port", "version"}
    | {
        "sec",
        "seconds",
        "secs",
        "tokens/s/device",
        "tflop/s/device",
        "tflops/s/device",
        "timestamp",
    }
    | {"words/sec/thread", "generation", "evaluation", "duration", "fps", "total_weights"}
    | {"best"}
)
"""Names of times, speeds and sizes, which no comparison of two machines can use."""
SPACED = frozenset(
    {"acc", "acc1", "acc5", "acc@1", "acc@5", "prec@1", "prec@5", "top1", "top5", "ppl", "accuracy"}
)
"""Figures that may follow their name after a blank alone, beside losses, rates and norms."""
