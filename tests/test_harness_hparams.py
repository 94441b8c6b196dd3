"""The settings that Lightning writes beside `metrics.csv`."""

import pytest

from harness.storage.inputs import load

TABLE = "epoch,step,train_loss_epoch,train_loss_step,val_loss\n"


@pytest.fixture
def version(tmp_path):
    folder = tmp_path / "lightning_logs" / "version_0"
    folder.mkdir(parents=True)
    rows = [f"{step // 6},{step},,{2 - step / 99},\n" for step in range(12)]
    rows[6:6] = ["0,5,,,1.5\n", "0,5,1.9,,\n"]
    (folder / "metrics.csv").write_text(TABLE + "".join(rows))
    return folder


def test_hyperparameters_beside_the_table_are_facts(version):
    text = (
        "batch_size: 4\nlr: 0.1\nnet:\n  width: 64\ngradient_accumulation_steps: 2\nworld: null\n"
    )
    (version / "hparams.yaml").write_text(text)
    (run,) = load(str(version.parent))
    assert run.facts["batch_per_device"] == 4
    assert run.facts["learning_rate"] == 0.1
    assert run.facts["config.args.net.width"] == 64
    assert "config.args.world" not in run.facts
    assert run.find("loss", 0)[0].steps.tolist() == list(range(12))
    assert run.find("val.loss", 0)[0].values.tolist() == [1.5]
    assert run.find("train_loss_epoch", 0)[0].values.tolist() == [1.9]


def test_an_empty_file_states_nothing(version):
    (version / "hparams.yaml").write_text("{}\n")
    assert not load(str(version))[0].facts


def test_a_file_that_cannot_be_read_is_noted(version):
    (version / "hparams.yaml").write_text("just text\n")
    (run,) = load(str(version))
    assert any("hparams.yaml cannot be read" in note for note in run.notes)


def test_settings_beside_another_log_are_not_its_own(version):
    (version / "metrics.csv").rename(version / "other.csv")
    (version / "hparams.yaml").write_text("lr: 0.1\n")
    assert not load(str(version))[0].facts
