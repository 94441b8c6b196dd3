"""Evaluations beside training: each form of line with the series that it states, by hand."""

from math import nan

import pytest

from harness.parse import parse_log


def series(text):
    """Each series by its name, with the value of each step."""
    run = parse_log([text], source="x.log")
    return {s.name: dict(zip(s.steps.tolist(), s.values.tolist(), strict=True)) for s in run.series}


ABBREVIATED = {
    "a dot behind `Val`, indented": (
        "Epoch: 01 | Epoch Time: 0m 9s\n\tTrain Loss: 3.5 | Train PPL: 33.1\n"
        "\t Val. Loss: 3.25 |  Val. PPL: 25.8\n"
        "Epoch: 02 | Epoch Time: 0m 9s\n\tTrain Loss: 3.0 | Train PPL: 20.1\n"
        "\t Val. Loss: 2.75 |  Val. PPL: 15.6\n",
        {
            "loss": {1: 3.5, 2: 3.0},
            "train_PPL": {1: 33.1, 2: 20.1},
            "val.loss": {1: 3.25, 2: 2.75},
            "val.PPL": {1: 25.8, 2: 15.6},
        },
    ),
    "a dot behind `Val`, a step in brackets": (
        "step 1: loss 3.5\nstep 2: loss 3.25\n[step 2] Val. Loss: 4.5\n",
        {"loss": {1: 3.5, 2: 3.25}, "val.loss": {2: 4.5}},
    ),
    "a dot behind `valid`": (
        "step 1: loss 3.5, valid. loss 4.5\n",
        {"loss": {1: 3.5}, "val.loss": {1: 4.5}},
    ),
    "a sentence ends before the loss": (
        "step 1: Done. Loss: 3.5\nstep 2: Done. Loss: 3.25\n",
        {"loss": {1: 3.5, 2: 3.25}},
    ),
}

BARS = {
    "the full bar is drawn twice": (
        "Epoch 1/2\n3/4 [=====>..] - ETA: 0s - loss: 3.5\r4/4 [========] - ETA: 0s - loss: 3.25\r"
        "4/4 [========] - 2s 9ms/step - loss: 3.125 - val_loss: 4.5\n"
        "Epoch 2/2\n4/4 [========] - ETA: 0s - loss: 2.25\r"
        "4/4 [========] - 2s 9ms/step - loss: 2.125 - val_loss: 4.25\n",
        {"loss": {4: 3.125, 8: 2.125}, "val.loss": {4: 4.5, 8: 4.25}},
    ),
    "each bar is a line, and nothing is validated": (
        "Epoch 1/2\n1/2 ━━━━ 0s 5ms/step - loss: 3.5\n2/2 ━━━━ 0s 5ms/step - loss: 3.25\n"
        "2/2 ━━━━ 1s 5ms/step - loss: 3.125\nEpoch 2/2\n1/2 ━━━━ 0s 5ms/step - loss: 2.5\n"
        "2/2 ━━━━ 0s 5ms/step - loss: 2.25\n2/2 ━━━━ 1s 5ms/step - loss: 2.125\n",
        {"loss": {2: 3.125, 4: 2.125}},
    ),
    "a bar that begins again is an evaluation": (
        "Epoch 1/1\n1/2 ━━━━ 0s 5ms/step - loss: 3.5\n2/2 ━━━━ 0s 5ms/step - loss: 3.25\n"
        "2/2 ━━━━ 1s 5ms/step - loss: 3.125\n1/2 ━━━━ 0s 5ms/step - loss: 4.5\n"
        "2/2 ━━━━ 0s 5ms/step - loss: 4.25\n2/2 ━━━━ 0s 5ms/step - loss: 4.125\n",
        {"loss": {2: 3.125}, "val.loss": {2: 4.125}},
    ),
    "a bar of other batches is an evaluation": (
        "Epoch 1/1\n2/2 ━━━━ 0s 5ms/step - loss: 3.25\n2/2 ━━━━ 1s 5ms/step - loss: 3.125\n"
        "7/7 ━━━━ 0s 5ms/step - loss: 4.25\n7/7 ━━━━ 0s 5ms/step - loss: 4.125\n",
        {"loss": {2: 3.125}, "val.loss": {2: 4.125}},
    ),
    "a line without a bar is printed once": (
        "Epoch 1/1\n9/9 - 1s - loss: 3.125\n9/9 - 1s - loss: 4.125\n",
        {"loss": {9: 3.125}, "val.loss": {9: 4.125}},
    ),
    "a test after the last epoch": (
        "Epoch 1/1\n2/2 ━━━━ 0s 5ms/step - loss: 3.25\n2/2 ━━━━ 1s 5ms/step - loss: 3.125\n"
        "Test loss: 4.125\n",
        {"loss": {2: 3.125}, "val.loss": {2: 4.125}},
    ),
}

LINES = {
    "TensorFlow's estimator saves its results": (
        "INFO:tensorflow:loss = 3.5, step = 20 (1.5 sec)\n"
        "INFO:tensorflow:loss = 3.25, step = 40 (1.5 sec)\n"
        "INFO:tensorflow:Saving dict for global step 40: accuracy = 0.25, global_step = 40, "
        "loss = 4.5\n",
        {"loss": {20: 3.5, 40: 3.25}, "val.loss": {40: 4.5}, "val.accuracy": {40: 0.25}},
    ),
    "a step behind `train | epoch 1`": (
        "train | epoch 1 | step 4 | loss 3.5\ntrain | epoch 1 | step 8 | loss 3.25\n"
        "val | epoch 1 | step 8 | loss 4.5\n",
        {"loss": {4: 3.5, 8: 3.25}, "val.loss": {8: 4.5}},
    ),
    "figures behind the loss of an evaluation": (
        "Epoch 0/9\n-----\ntrain Loss: 3.5 Acc: 0.25\nval Loss: 4.5 Acc: 0.125\n\n"
        "Epoch 1/9\n-----\ntrain Loss: 3.25 Acc: 0.5\nval Loss: 4.25 Acc: 0.375\n\n",
        {
            "loss": {0: 3.5, 1: 3.25},
            "Acc": {0: 0.25, 1: 0.5},
            "val.loss": {0: 4.5, 1: 4.25},
            "val.Acc": {0: 0.125, 1: 0.375},
        },
    ),
    "figures behind a loss of training": (
        "step 4: loss 3.5 val_loss 4.5 acc: 0.25\n",
        {"loss": {4: 3.5}, "acc": {4: 0.25}, "val.loss": {4: 4.5}},
    ),
    "a bar repeats the result of the last evaluation": (
        "Epoch 0:  50%|## | 2/4 [00:01<00:02, 1.5it/s, loss=3.5]\r"
        "Epoch 0: 100%|###| 4/4 [00:02<00:00, 1.5it/s, loss=3.25]\r"
        "Epoch 0: 100%|###| 4/4 [00:03<00:00, 1.5it/s, loss=3.25, val_loss=4.5]\n"
        "Epoch 1:  50%|## | 2/4 [00:01<00:02, 1.5it/s, loss=2.5, val_loss=4.5]\r"
        "Epoch 1: 100%|###| 4/4 [00:02<00:00, 1.5it/s, loss=2.25, val_loss=4.5]\r"
        "Epoch 1: 100%|###| 4/4 [00:03<00:00, 1.5it/s, loss=2.25, val_loss=4.25]\n",
        {"loss": {2: 3.5, 4: 3.25, 6: 2.5, 8: 2.25}, "val.loss": {4: 4.5, 8: 4.25}},
    ),
}

ENDS = {
    "a line with a star has the results": (
        "Epoch: [0][ 1/9]\tTime 0.3 (0.5)\tLoss 3.5e+00 (3.75e+00)\tAcc@1 1.5 (1.25)\n"
        "Test: [ 1/9]\tTime 1.1 (1.1)\tLoss 4.5e+00 (4.25e+00)\tAcc@1 2.5 (2.25)\n"
        " *   Acc@1 2.125 Acc@5 8.125\n"
        "Epoch: [1][ 1/9]\tTime 0.3 (0.5)\tLoss 3.0e+00 (3.25e+00)\tAcc@1 1.75 (1.5)\n",
        {
            "loss": {1: 3.5, 10: 3.0},
            "Acc@1": {1: 1.5, 10: 1.75},
            "val.loss": {1: 4.25},
            "val.Acc@1": {1: 2.125},
            "val.Acc@5": {1: 8.125},
        },
    ),
    "a line with a star and the loss": (
        "Epoch: [0][ 1/9] loss: 3.5 (3.75)\nTest: [1/9] loss: 4.5 (4.25) acc1: 2.5 (2.25)\n"
        "* Acc@1 2.125 Acc@5 8.125 loss 4.125\n",
        {
            "loss": {1: 3.5},
            "val.loss": {1: 4.125},
            "val.acc1": {1: 2.125},
            "val.Acc@5": {1: 8.125},
        },
    ),
    "precision instead of accuracy": (
        "Epoch: [0][1/9] Loss 3.5 (3.75) Prec@1 1.5 (1.25)\n"
        "Test: [1/9] Loss 4.5 (4.25) Prec@1 2.5 (2.25)\n * Prec@1 2.125\n",
        {
            "loss": {1: 3.5},
            "Prec@1": {1: 1.5},
            "val.loss": {1: 4.25},
            "val.Prec@1": {1: 2.125},
        },
    ),
    "a result behind the batches of a test": (
        "step 5: loss 3.5\nTest: [1/2] loss: 4.5 (4.5)\nTest: [2/2] loss: 4.0 (4.25)\n"
        "Test: average loss: 4.125\nstep 6: loss 3.25\n",
        {"loss": {5: 3.5, 6: 3.25}, "val.loss": {5: 4.125}},
    ),
    "batches of a cross validation with the mean so far": (
        "DEBUG TRAIN Batch 0/0 loss 3.5 lr 0.25 rank 0\n"
        "DEBUG TRAIN Batch 0/50 loss 3.25 lr 0.25 rank 0\n"
        "DEBUG CV Batch 0/0 loss 5.5 history loss 4.5 rank 0\n"
        "DEBUG CV Batch 0/50 loss 5.25 history loss 4.25 rank 0\n"
        "DEBUG TRAIN Batch 1/0 loss 3.0 lr 0.25 rank 0\n",
        {
            "loss": {0: 3.5, 50: 3.25, 100: 3.0},
            "lr": {0: 0.25, 50: 0.25, 100: 0.25},
            "val.loss": {50: 4.25},
        },
    ),
    "the result of a cross validation without the rank": (
        "DEBUG TRAIN Batch 0/50 loss 3.25 rank 3\nDEBUG CV Batch 0/50 loss 5.25 rank 3\n"
        "INFO Epoch 0 CV info cv_loss 4.125\n",
        {"loss": {50: 3.25}, "val.loss": {50: 4.125}},
    ),
    "Caffe states the step of a test before its results": (
        "Iteration 0, Testing net (#0)\n    Test net output #0: loss = 4.5 (* 1 = 4.5 loss)\n"
        "Iteration 0 (9 iter/s, 2s/20 iters), loss = 3.5\n"
        "Iteration 20 (9 iter/s, 2s/20 iters), loss = 3.25\n"
        "Iteration 40, Testing net (#0)\n    Test net output #0: loss = 4.25 (* 1 = 4.25 loss)\n"
        "Iteration 40 (9 iter/s, 2s/20 iters), loss = 3.0\n"
        "    Train net output #0: loss = 3.0 (* 1 = 3.0 loss)\n",
        {"loss": {0: 3.5, 20: 3.25, 40: 3.0}, "val.loss": {0: 4.5, 40: 4.25}},
    ),
    "the batches of a test are no step": (
        "step 5: loss 3.5\nEvaluating step 1/9\nval loss: 4.5\n",
        {"loss": {5: 3.5}, "val.loss": {5: 4.5}},
    ),
}

SETS = {
    "a validation and a test at one step": (
        "step=1 train_loss=3.5\nstep=1 eval_loss=4.5 eval_acc=0.5\n"
        "step=1 test_loss=5.5 test_acc=0.25\nstep=2 train_loss=3.25\n",
        {
            "loss": {1: 3.5, 2: 3.25},
            "val.loss": {1: 4.5},
            "val.acc": {1: 0.5},
            "val.test_loss": {1: 5.5},
            "val.test_acc": {1: 0.25},
        },
    ),
    "a test before the first validation": (
        "step 1: train loss 3.5, test loss 5.5, val loss 4.5\n",
        {"loss": {1: 3.5}, "val.loss": {1: 4.5}, "val.test_loss": {1: 5.5}},
    ),
    "a test alone is the evaluation": (
        "step 1: loss 3.5\ntest Loss: 5.5 Acc: 0.5\nstep 2: loss 3.25\ntest Loss: 5.25 Acc: 0.75\n",
        {"loss": {1: 3.5, 2: 3.25}, "val.loss": {1: 5.5, 2: 5.25}, "val.Acc": {1: 0.5, 2: 0.75}},
    ),
    "figures behind the losses of both": (
        "step 1: loss 3.5\nval Loss: 4.5 Acc: 0.5 test Loss: 5.5 Acc: 0.25\n",
        {
            "loss": {1: 3.5},
            "val.loss": {1: 4.5},
            "val.Acc": {1: 0.5},
            "val.test_loss": {1: 5.5},
            "val.test_Acc": {1: 0.25},
        },
    ),
    "batches of a validation and of a test": (
        "step 1: loss 3.5\nVal: [1/2] loss: 4.5 (4.5)\nVal: [2/2] loss: 4.0 (4.25)\n"
        "Test: [1/2] loss: 5.5 (5.5)\nTest: [2/2] loss: 5.0 (5.25)\nstep 2: loss 3.25\n",
        {"loss": {1: 3.5, 2: 3.25}, "val.loss": {1: 4.25}, "val.test_loss": {1: 5.25}},
    ),
    "a line with a star is of the data of the batches before it": (
        "step 1: loss 3.5\nTest: [1/2] loss: 5.5 (5.5) acc1: 2.5 (2.25)\n* Acc@1 2.125\n"
        "step 2: loss 3.25, val loss 4.5\n",
        {
            "loss": {1: 3.5, 2: 3.25},
            "val.loss": {2: 4.5},
            "val.test_loss": {1: 5.5},
            "val.test_acc1": {1: 2.125},
        },
    ),
    "an evaluation of the test set by lines that name the set, and one that does not": (
        "step 1: loss 3.5\nTest: [1/2] loss: 5.5 (5.5)\nEvaluation loss: 5.25\n"
        "step 2: loss 3.25, val loss 4.5\n",
        {"loss": {1: 3.5, 2: 3.25}, "val.loss": {2: 4.5}, "val.test_loss": {1: 5.25}},
    ),
    "a test at the end": (
        "epoch 1 step 1 loss 3.5 val_loss 4.5\nepoch 2 step 2 loss 3.25 val_loss 4.25\n"
        "Test loss: 5.25\n",
        {"loss": {1: 3.5, 2: 3.25}, "val.loss": {1: 4.5, 2: 4.25}, "val.test_loss": {2: 5.25}},
    ),
    "parts of a line with a phase each": (
        "Epoch 1: Train: loss 3.5 acc 0.5 | Val: loss 4.5 acc 0.25 | Test: loss 5.5 acc 0.125\n"
        "Epoch 2: Train: loss 3.25 acc 0.5 | Val: loss 4.25 acc 0.25 | Test: loss 5.25 acc 0.125\n",
        {
            "loss": {1: 3.5, 2: 3.25},
            "acc": {1: 0.5, 2: 0.5},
            "val.loss": {1: 4.5, 2: 4.25},
            "val.acc": {1: 0.25, 2: 0.25},
            "val.test_loss": {1: 5.5, 2: 5.25},
            "val.test_acc": {1: 0.125, 2: 0.125},
        },
    ),
    "a bar with results of both": (
        "Epoch 1/1\n2/2 [=====] - 1s - loss: 3.5 - val_loss: 4.5 - val_acc: 0.5\n"
        "Test loss: 5.5\nTest accuracy: 0.25\n",
        {"loss": {2: 3.5}, "val.loss": {2: 4.5}, "val.acc": {2: 0.5}, "val.test_loss": {2: 5.5}}
        | {"val.test_accuracy": {2: 0.25}},
    ),
    "columns of a table": (
        "step,loss,test_loss,val_loss\n1,3.5,5.5,4.5\n2,3.25,5.25,4.25\n",
        {
            "loss": {1: 3.5, 2: 3.25},
            "val.loss": {1: 4.5, 2: 4.25},
            "val.test_loss": {1: 5.5, 2: 5.25},
        },
    ),
    "rows of a table": (
        "step,split,loss\n1,train,3.5\n1,valid,4.5\n1,test,5.5\n",
        {"loss": {1: 3.5}, "val.loss": {1: 4.5}, "val.test_loss": {1: 5.5}},
    ),
    "objects of JSON": (
        '{"step": 1, "loss": 3.5}\n{"step": 1, "split": "test", "loss": 5.5}\n'
        '{"step": 1, "eval_loss": 4.5}\n',
        {"loss": {1: 3.5}, "val.loss": {1: 4.5}, "val.test_loss": {1: 5.5}},
    ),
    "objects of JSON with a test alone": (
        '{"epoch": 1, "train_loss": 3.5, "test_loss": 5.5, "test_acc1": 0.5}\n'
        '{"epoch": 2, "train_loss": 3.25, "test_loss": 5.25, "test_acc1": 0.75}\n',
        {"loss": {1: 3.5, 2: 3.25}, "val.loss": {1: 5.5, 2: 5.25}, "val.acc1": {1: 0.5, 2: 0.75}},
    ),
}


def _back(line, width=40):
    """A bar, and the backspaces to its start."""
    return line.ljust(width) + "\b" * width


WITHOUT_LOSS = {
    "backspaces overwrite the bars of Keras": (
        f"Epoch 1/2\n{_back('1/4 [=>....] - ETA: 0s - loss: 3.5')}"
        f"{_back('2/4 [==>...] - ETA: 0s - loss: 3.25')}"
        "4/4 [=====] - 2s - loss: 3.125 - val_loss: 4.5\n"
        f"Epoch 2/2\n{_back('1/4 [=>....] - ETA: 0s - loss: 2.5')}"
        "4/4 [=====] - 2s - loss: 2.125 - val_loss: 4.25\n",
        {"loss": {4: 3.125, 8: 2.125}, "val.loss": {4: 4.5, 8: 4.25}},
    ),
    "a line of results without a loss": (
        "2025-01-02 10:00:00 [INFO]\t[TRAIN] epoch: 1, iter: 100/900, loss: 1.5, lr: 0.25\n"
        "2025-01-02 10:00:00 [INFO]\t[EVAL] #Images: 70 mIoU: 0.75 Acc: 0.875 Kappa: 0.5\n"
        "2025-01-02 10:00:00 [INFO]\t[EVAL] The model with the best validation mIoU (0.75) was "
        "saved at iter 100.\n"
        "2025-01-02 10:00:00 [INFO]\t[TRAIN] epoch: 1, iter: 200/900, loss: 1.25, lr: 0.125\n",
        {
            "loss": {100: 1.5, 200: 1.25},
            "lr": {100: 0.25, 200: 0.125},
            "val.mIoU": {100: 0.75},
            "val.Acc": {100: 0.875},
            "val.Kappa": {100: 0.5},
        },
    ),
    "a heading before the results": (
        "Epoch 1\n-----\nloss: 2.5  [   64/6000]\nloss: 2.25  [ 3264/6000]\n"
        "Test Error: \n Accuracy: 50.5%, Avg loss: 2.125 \n\n"
        "Epoch 2\n-----\nloss: 2.0  [   64/6000]\nloss: 1.75  [ 3264/6000]\n"
        "Test Error: \n Accuracy: 60.5%, Avg loss: 1.625 \n\n",
        {
            "loss": {64: 2.5, 3264: 2.25, 6064: 2.0, 9264: 1.75},
            "val.loss": {3264: 2.125, 9264: 1.625},
            "val.Accuracy": {3264: 50.5, 9264: 60.5},
        },
    ),
    "a heading is for the next line alone": (
        "step 1: loss 3.5\nValidation:\nAvg loss: 4.5\nAvg loss: 9.5\nstep 2: loss 3.25\n",
        {"loss": {1: 3.5, 2: 3.25}, "val.loss": {1: 4.5}},
    ),
    "detectron2's results to be pasted": (
        "[d2.utils.events]:  eta: 0:20:30  iter: 19  total_loss: 3.5  lr: 0.25\n"
        "[d2.evaluation.testing]: copypaste: Task: bbox\n"
        "[d2.evaluation.testing]: copypaste: AP,AP50\n"
        "[d2.evaluation.testing]: copypaste: 20.5,40.25\n"
        "[d2.evaluation.testing]: copypaste: Task: segm\n"
        "[d2.evaluation.testing]: copypaste: AP,AP50\n"
        "[d2.evaluation.testing]: copypaste: 19.5,nan\n"
        "[d2.utils.events]:  eta: 0:20:30  iter: 39  total_loss: 3.25  lr: 0.125\n",
        {
            "loss": {19: 3.5, 39: 3.25},
            "lr": {19: 0.25, 39: 0.125},
            "val.bbox/AP": {19: 20.5},
            "val.bbox/AP50": {19: 40.25},
            "val.segm/AP": {19: 19.5},
            "val.segm/AP50": {19: pytest.approx(nan, nan_ok=True)},
        },
    ),
    "the best result so far is no result": (
        "step 1: loss 3.5\nval acc: 0.5\nbest val acc: 0.75\nEval time: 1.5\n",
        {"loss": {1: 3.5}, "val.acc": {1: 0.5}},
    ),
}

FORMS = ABBREVIATED | BARS | LINES | ENDS | SETS | WITHOUT_LOSS


@pytest.mark.parametrize("form", FORMS)
def test_results_of_evaluations_are_apart_from_the_training(form):
    text, expected = FORMS[form]
    assert series(text) == expected
