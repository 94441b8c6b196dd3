"""What programs state beside their losses, in spellings of the field: facts, steps, validations."""

import pytest

from harness.parse import parse_log


def read(text):
    return parse_log([text], source="x.log")


def points(run, name="loss", rank=0):
    return {
        step: value
        for s in run.find(name, rank)
        for step, value in zip(s.steps.tolist(), s.values.tolist(), strict=True)
    }


MEGATRON = (
    "using world size: 4, data-parallel size: 2, tensor-model-parallel size: 2\n"
    "  global_batch_size ............................... 32\n"
    "  micro_batch_size ................................ 2\n"
    "  fp16 ............................................ True\n"
    "  bf16 ............................................ False\n"
    "  lr .............................................. 0.0003\n"
    "  train_iters ..................................... 500\n"
    "  hidden_size ..................................... 1024\n"
    "  load ............................................ None\n"
)
ITERATION = (
    " iteration      {}/     500 | learning rate: 1.5E-04 | lm loss: {} | grad norm: 1.5 |\n"
)


def test_the_arguments_of_megatron_are_facts():
    run = read(MEGATRON + ITERATION.format(10, 4.5))
    assert {name: run.facts[name] for name in ("world_size", "effective_batch", "precision")} == {
        "world_size": 4,
        "effective_batch": 32,
        "precision": "amp-float16",
    }
    assert run.facts["batch_per_device"] == 2
    assert run.facts["learning_rate"] == 0.0003
    assert run.facts["planned_steps"] == 500
    assert run.facts["config.args.hidden_size"] == 1024
    assert "config.args.load" not in run.facts


def test_megatron_states_float32_by_the_type_of_its_parameters():
    dotted = "  params_dtype .................................... torch.{}\n"
    for kind, fact in (("float32", "float32"), ("bfloat16", None)):
        run = read(dotted.format(kind) + ITERATION.format(10, 4.5))
        assert run.facts.get("precision") == fact


@pytest.mark.parametrize("where", ["", " on validation set"])
def test_a_validation_of_megatron_is_at_its_iteration(where):
    validation = (
        f" validation loss at iteration 20{where} | lm loss value: 4.125000E+00 | "
        "lm loss PPL: 6.186781E+01 | \n"
    )
    text = ITERATION.format(10, 4.5) + ITERATION.format(20, 4.25) + validation
    run = read(text)
    assert points(run, "val.loss") == {20: 4.125}
    assert points(run, "val.loss PPL") == {20: 61.86781}
    assert points(run) == {10: 4.5, 20: 4.25}
    cut = read(text[: text.index("4.125") + 4] + "\n")
    assert points(cut) == {10: 4.5, 20: 4.25}
    assert "a validation without 'name value: number'" in cut.skipped[0].reason


def test_the_settings_that_the_trainer_prints_are_facts():
    head = "[INFO|trainer.py:2414] 2025-03-04 10:00:00,000 >> "
    text = (
        f"{head}***** Running training *****\n"
        f"{head}  Num examples = 1,000\n"
        f"{head}  Instantaneous batch size per device = 4\n"
        f"{head}  Total train batch size (w. parallel, distributed & accumulation) = 1,024\n"
        f"{head}  Gradient Accumulation steps = 16\n"
        f"{head}  Total optimization steps = 1,200\n"
        "{'loss': 2.5, 'grad_norm': 1.5, 'learning_rate': 5e-05, 'epoch': 0.1}\n"
    )
    assert read(text).facts.named() == {
        "batch_per_device": 4,
        "effective_batch": 1024,
        "grad_accumulation": 16,
        "planned_steps": 1200,
    }


def test_a_setting_cut_by_the_end_of_the_log_is_no_fact():
    text = ITERATION.format(10, 4.5) + "  seed ............................................ 12"
    assert "seed" not in read(text).facts


def trainer(*losses):
    return "".join(f"{{'loss': {v}, 'epoch': {i / 100}}}\n" for i, v in enumerate(losses, 1))


@pytest.mark.parametrize("end", [",\n", ", seed=1)\n", ")\n"])
def test_logging_steps_count_wherever_on_a_line_they_stand(end):
    run = read(f"Namespace(logging_first_step=False, logging_steps=5{end}" + trainer(2.5, 2.25))
    assert points(run) == {5: 2.5, 10: 2.25}


def test_the_first_step_is_logged_alone_where_the_arguments_say_so():
    run = read(
        "TrainingArguments(\nlogging_first_step=True,\nlogging_steps=5,\n)\n" + trainer(3, 2, 1)
    )
    assert points(run) == {1: 3.0, 5: 2.0, 10: 1.0}
    assert {s.key for s in run.series} == {"loss", "loss@5"}
    every = read("Namespace(logging_first_step=True, logging_steps=1)\n" + trainer(3, 2))
    assert points(every) == {1: 3.0, 2: 2.0}


def test_a_step_that_a_dict_states_is_believed():
    line = "{{'loss': {}, 'epoch': {}, 'global_step/max_steps': '{}/60'}}\n"
    run = read(line.format(2.5, 0.1, 5) + line.format(2.25, 0.2, 15))
    assert points(run) == {5: 2.5, 15: 2.25}
    assert run.by_order == ()
    assert run.facts["planned_steps"] == 60


def event(key, value, metadata):
    return f':::MLLOG {{"key": "{key}", "value": {value}, "metadata": {metadata}}}\n'


def test_mlperf_counts_in_epochs_where_nothing_else_is_stated():
    text = event("eval_accuracy", 0.5, '{"epoch_num": 3}') + event(
        "eval_accuracy", 0.75, '{"epoch_num": 4.0}'
    )
    assert points(read(text), "val.eval_accuracy") == {3: 0.5, 4: 0.75}


def test_fractions_of_epochs_are_steps_by_the_samples_of_an_epoch():
    evaluations = "".join(
        event("eval_accuracy", 0.5 + e / 8, f'{{"epoch_num": {e}}}') for e in (0.25, 0.5, 1.0)
    )
    settings = event("train_samples", 6400, "{}") + event("global_batch_size", 16, "{}")
    run = read(settings + evaluations)
    assert points(run, "val.eval_accuracy") == {100: 0.53125, 200: 0.5625, 400: 0.625}
    assert run.by_order == ()
    counted = read(evaluations)
    assert points(counted, "val.eval_accuracy") == {0: 0.53125, 1: 0.5625, 2: 0.625}
    assert counted.by_order == ("val.eval_accuracy",)


def test_a_step_that_counts_samples_is_taken_for_that():
    run = read(
        event("global_batch_size", 8, "{}")
        + event("tracked_stats", '{"loss": 2.5}', '{"step": 80, "samples_count": 80}')
        + event("tracked_stats", '{"loss": 2.25}', '{"step": 20, "samples_count": 160}')
    )
    assert points(run) == {9: 2.5, 19: 2.25}
    assert points(run, "samples") == {9: 80.0, 19: 160.0}


def test_statistics_hold_the_rate_and_the_norm_beside_the_loss():
    run = read(
        event(
            "tracked_stats",
            '{"reduced_train_loss": 2.5, "grad_norm": 1.5, "learning_rate": 0.25, "ips": 9}',
            '{"step": 4}',
        )
    )
    found = {s.name: s.values.tolist() for s in run.series}
    assert found == {"loss": [2.5], "grad_norm": [1.5], "lr": [0.25]}


def test_the_metrics_of_one_evaluation_are_a_series_each():
    run = read(event("eval_accuracy", '{"BBOX": 0.25, "SEGM": 0.125}', '{"epoch_num": 4}'))
    assert (points(run, "val.BBOX"), points(run, "val.SEGM")) == ({4: 0.25}, {4: 0.125})


def test_each_loss_that_is_not_placed_is_shown():
    text = event("train_loss", 2.5, '{"step": 10}')
    run = read(text + event("tracked_stats", '{"train_loss": 2.25}', "{}") + event("loss", 2, "{}"))
    assert [s.line for s in run.skipped] == [2, 3]
    assert "needs a step, an epoch_num" in run.skipped[0].reason
    assert "without an object" in read(text + event("tracked_stats", 2.5, "{}")).skipped[0].reason


def test_losses_among_tracked_statistics_are_read_with_their_rate():
    text = event(
        "tracked_stats", '{"train_loss": 2.5, "throughput": 9.0}', '{"step": 10, "lr": 0.5}'
    )
    run = read(text)
    assert points(run) == {9: 2.5}
    assert points(run, "lr") == {9: 0.5}


def test_two_metrics_under_one_key_are_two_series():
    text = event("eval_accuracy", 90.5, '{"step": 10, "metric": "FID"}') + event(
        "eval_accuracy", 0.125, '{"step": 10, "metric": "CLIP"}'
    )
    run = read(text)
    assert (points(run, "val.FID"), points(run, "val.CLIP")) == ({9: 90.5}, {9: 0.125})


def test_a_table_that_counts_epochs_alone_has_them_for_steps():
    text = (
        "                  epoch,      train/cls_loss,        val/cls_loss,              lr/pg0\n"
        "                      1,                 1.5,                1.75,               0.001\n"
        "                      2,                1.25,               1.625,               0.002\n"
    )
    run = read(text)
    assert points(run, "train/cls_loss") == {1: 1.5, 2: 1.25}
    assert points(run, "val.cls_loss") == {1: 1.75, 2: 1.625}


def test_the_log_of_llamafactory_states_its_steps_and_their_number():
    line = '{{"current_steps": {}, "total_steps": 50, "loss": {}, "percentage": 10.0}}\n'
    run = read(line.format(5, 2.5) + line.format(10, 2.25))
    assert points(run) == {5: 2.5, 10: 2.25}
    assert run.facts["planned_steps"] == 50
    assert {s.name for s in run.series} == {"loss"}


STEP = "step 1 loss 2.5\n"


def test_the_options_of_a_command_are_facts():
    run = read(
        "+ torchrun --nnodes 2 --nproc_per_node=4 train.py --lr 0.01 \\\n"
        "    --batch-size 8 --bf16 --output_dir runs/a\n" + STEP
    )
    assert run.facts.named() == {
        "world_size": 8,
        "batch_per_device": 8,
        "precision": "amp-bfloat16",
        "learning_rate": 0.01,
    }
    assert run.facts.lines["batch_per_device"] == 2


def test_settings_in_yaml_at_the_head_are_facts():
    head = (
        "per_device_train_batch_size: 2\nlearning_rate: 1.0e-4  # peak\nfp16: true\nnotes: none\n"
    )
    assert read(head + STEP).facts.named() == {
        "batch_per_device": 2,
        "precision": "amp-float16",
        "learning_rate": 1e-4,
    }
    assert "learning_rate" not in read(STEP + "learning_rate: 1.0e-4\n").facts


def test_a_command_gives_way_to_what_the_program_states():
    run = read("python train.py --lr 0.01 --seed 1\nNamespace(lr=0.02, seed=2)\n" + STEP)
    assert (run.facts["learning_rate"], run.facts["seed"]) == (0.02, 2)
    assert run.notes == read("Namespace(lr=0.02, seed=2)\n" + STEP).notes


@pytest.mark.parametrize("end", [", ", "\n"])
def test_the_arguments_of_swift_are_facts(end):
    between = f",{end}" if end == "\n" else end
    pairs = between.join(["per_device_train_batch_size=1", "gradient_accumulation_steps=16"])
    opened, closed = ("\n", ",\n)\n") if end == "\n" else ("", ")\n")
    run = read(f"[INFO:swift] args: SftArguments({opened}{pairs}{closed}" + STEP)
    assert (run.facts["batch_per_device"], run.facts["grad_accumulation"]) == (1, 16)


def test_llamafactory_states_its_processes_and_their_precision():
    run = read(
        "[INFO|parser.py:355] 2025-03-04 10:00:00,000 >> Process rank: 0, world size: 4, device: "
        "npu:0, distributed training: True, compute dtype: torch.bfloat16\n" + STEP
    )
    assert run.facts.named() == {
        "world_size": 4,
        "precision": "amp-bfloat16",
        "device_kind": "npu",
    }


BANNER = (
    "--------------+------------------------------------------------\n"
    " PyTorch      | 2.0.0a0+gitdfe6533\n"
    " Torch-SDAA   | 2.0.0\n"
    "--------------+------------------------------------------------\n"
    " SDAA Driver  | 1.5.0 (N/A)\n"
    " SDAA Runtime | 1.5.1 (/opt/tecoai/lib64/libsdaart.so)\n"
    " TecoDNN      | 1.19.0 (/opt/tecoai/lib64/libtecodnn.so)\n"
    " TecoBLAS     | 1.20.0 (/opt/tecoai/lib64/libtecoblas.so)\n"
    " TCCL         | 1.18.0 (/opt/tecoai/lib64/libtccl.so)\n"
    "--------------+------------------------------------------------\n"
)


def test_the_banner_of_torch_sdaa_states_every_version():
    assert read(BANNER + STEP).facts.named() == {
        "device_kind": "sdaa",
        "driver": "1.5.0",
        "runtime": "1.5.1",
        "collectives": "1.18.0",
        "dnn": "1.19.0",
        "blas": "1.20.0",
        "torch": "2.0.0a0+gitdfe6533",
    }


@pytest.mark.parametrize(
    "line", ["export TORCH_SDAA_AUTOLOAD=cuda_migrate", "'TORCH_SDAA_AUTOLOAD': 'cuda_migrate',"]
)
def test_what_a_migrated_log_calls_cuda_is_sdaa(line):
    run = read(f"{line}\nProcess rank: 0, device: cuda:0, n_gpu: 1\n" + STEP)
    assert run.facts["device_kind"] == "sdaa"
    assert "what this log calls cuda is SDAA" in run.notes[0]
    assert "device_kind" not in read("TORCH_SDAA_AUTOLOAD=other\n" + STEP).facts


@pytest.mark.parametrize(
    "line",
    [
        "[W VariableFallbackKernel.cpp:51] Warning: CAUTION: The operator 'aten::nonzero' is not "
        "currently supported on the NPU backend and will fall back to run on the CPU.",
        "UserWarning: aten::nonzero has fallen back to cpu",
        "The op: aten::nonzero falls back to CPU",
    ],
)
def test_operators_that_ran_on_the_cpu_are_a_fact(line):
    other = line.replace("aten::nonzero", "aten::unique")
    run = read(f"{line}\n{other}\n{line}\n" + STEP)
    assert run.facts["cpu_operators"] == "aten::nonzero, aten::unique"


@pytest.mark.parametrize(
    "head",
    [
        "args: {'lr': 0.02, 'batch_size': 32, 'seed': 3, 'data': 'x y'}",
        '2025-01-02 10:00:00 - INFO - Config: {"lr": 0.02, "batch_size": 32, "seed": 3}',
        "{'lr': 0.02, 'batch_size': 32, 'seed': 3, 'model': {'name': 'net', 'depth': 3}}",
        "Namespace(lr=0.02, batch_size=32, seed=3, betas=(0.9, 0.99))",
    ],
)
def test_a_dict_of_arguments_at_the_head_states_facts(head):
    facts = read(f"{head}\n{STEP}").facts.named()
    assert facts == {"learning_rate": 0.02, "batch_per_device": 32, "seed": 3}


@pytest.mark.parametrize(
    "head",
    ["{'lr': 0.02}", "{'name': 'net', 'depth': 3}", "args: {'loss': 0.5, 'seed': 3}", "{'a': {"],
)
def test_another_dict_states_none(head):
    assert read(f"{head}\n{STEP}").facts.named() == {}


def test_a_dict_behind_the_first_record_states_no_fact():
    assert read(f"{STEP}args: {{'lr': 0.02, 'seed': 3}}\n").facts.named() == {}
