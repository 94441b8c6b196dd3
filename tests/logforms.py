"""One small whole log in every format that the harness reads, as the real programs write it."""

from loglines import header, record

TCAPPDLL = "".join(
    record(step, loss, rank=rank) + "\n"
    for step, losses in enumerate([(3.9321765899658203, 4.125), (3.5, 3.0625), (2.25, 12.75)])
    for rank, loss in enumerate(losses)
)
TCAPPDLL_JSON = (
    'TCAPPDLL {"datetime": "2025-06-17 01:47:20.1", "type": "METADATA", "metric": "train.ips", '
    '"metadata": {"unit": "imgs/s"}}\n'
) + "".join(
    f'TCAPPDLL {{"timestamp": "17501248{i}.5", "datetime": "2025-06-17 01:47:2{i}.479181", '
    f'"type": "LOG", "step": [0, {90 + i}], "data": '
    f"\"{{'rank': '-1', 'train.loss': '{loss}', 'train.ips': '68.0625'}}\"}}\n"
    for i, loss in enumerate([429.9375, 411.5, 401.25])
)
MMENGINE = (
    "2026/11/23 15:52:15 - mmengine - INFO - Iter(train) [   50/40000]  lr: 9.9891e-03  "
    "eta: 1:59:13  time: 0.1278  data_time: 0.0418  memory: 1200  loss: 2.1715  "
    "decode.acc_seg: 68.6723\n"
    "2026/11/23 15:52:21 - mmengine - INFO - Iter(train) [  100/40000]  lr: 9.9781e-03  "
    "eta: 1:58:02  time: 0.1254  data_time: 0.0402  memory: 1200  loss: 1.9625  "
    "decode.acc_seg: 71.0625\n"
    "2026/11/23 15:52:25 - mmengine - INFO - Saving checkpoint at 100 iterations\n"
    "2026/11/23 15:52:27 - mmengine - INFO - Iter(val) [5/5]    aAcc: 55.1250  mIoU: 33.3330\n"
)
MMCV = (
    "2021-08-01 12:00:00,123 - mmseg - INFO - Set random seed to 17, deterministic: False\n"
    "2021-08-01 12:00:30,123 - mmseg - INFO - Iter [50/40000]\tlr: 9.989e-03, eta: 5:10:11, "
    "time: 0.466, data_time: 0.010, memory: 10000, decode.loss_ce: 2.1250, loss: 3.1415\n"
    "2021-08-01 12:01:00,123 - mmseg - INFO - Iter [100/40000]\tlr: 9.978e-03, eta: 5:09:41, "
    "time: 0.461, data_time: 0.011, memory: 10000, decode.loss_ce: 1.8125, loss: 2.7182\n"
    "2021-08-01 12:02:00,123 - mmseg - INFO - Iter(val) [500]\taAcc: 0.9512, mIoU: 0.7012\n"
)
HF_TRAINER = (
    "{'loss': 1.5289, 'grad_norm': 20.3271, 'learning_rate': 4.9996e-05, 'epoch': 0.01}\n"
    "{'loss': 1.2875, 'grad_norm': 11.1625, 'learning_rate': 4.9125e-05, 'epoch': 0.02}\n"
    "{'eval_loss': 0.4125, 'eval_runtime': 3.2, 'eval_samples_per_second': 31.2, 'epoch': 0.02}\n"
)
MEGATRON = (
    " [2025-01-02 03:04:05] iteration       10/     500 | consumed samples:           80 | "
    "elapsed time per iteration (ms): 1234.5 | learning rate: 1.500E-04 | "
    "global batch size:     8 | lm loss: 1.046E+01 | loss scale: 1.0 | grad norm: 12.125 | "
    "number of skipped iterations:   0 | number of nan iterations:   0 |\n"
    " [2025-01-02 03:04:15] iteration       20/     500 | consumed samples:          160 | "
    "elapsed time per iteration (ms): 1200.25 | learning rate: 1.625E-04 | "
    "global batch size:     8 | lm loss: 9.125E+00 | loss scale: 1.0 | grad norm: 10.5 | "
    "number of skipped iterations:   0 | number of nan iterations:   0 |\n"
)
MLLOG = (
    '0: :::MLLOG {"namespace": "", "time_ms": 1746056569890, "key": "global_batch_size", '
    '"value": 8, "metadata": {}}\n'
    '0: :::MLLOG {"namespace": "", "time_ms": 1746056569897, "key": "train_loss", '
    '"value": 1.92359, "metadata": {"samples_count": 80, "lr": 0.0005}}\n'
    '0: :::MLLOG {"namespace": "", "time_ms": 1746056569997, "key": "train_loss", '
    '"value": 1.62125, "metadata": {"samples_count": 160, "lr": 0.00045}}\n'
    '0: :::MLLOG {"namespace": "", "time_ms": 1746056569999, "key": "eval_accuracy", '
    '"value": 0.93125, "metadata": {"samples_count": 160}}\n'
)
MMCV_JSON = (
    '{"env_info": "sys.platform: linux", "seed": 17, "exp_name": "ccnet.py"}\n'
    '{"mode": "train", "epoch": 1, "iter": 50, "lr": 0.00999, "memory": 9000, "loss": 3.1415, '
    '"time": 0.4625}\n'
    '{"mode": "train", "epoch": 1, "iter": 100, "lr": 0.00978, "memory": 9000, "loss": 2.7182, '
    '"time": 0.4575}\n'
    '{"mode": "val", "epoch": 1, "iter": 500, "lr": 0.0098, "mIoU": 0.7012}\n'
)
SCALARS_JSON = (
    '{"lr": 0.0099891, "data_time": 0.0418, "loss": 2.1715, "time": 0.1278, "iter": 50, '
    '"memory": 1200, "step": 50}\n'
    '{"lr": 0.0099781, "data_time": 0.0402, "loss": 1.9625, "time": 0.1254, "iter": 100, '
    '"memory": 1200, "step": 100}\n'
    '{"lr": 0.0099671, "data_time": 0.0411, "loss": 1.8125, "time": 0.1262, "iter": 150, '
    '"memory": 1200, "step": 150}\n'
    '{"mIoU": 33.3125, "aAcc": 55.125, "data_time": 0.0007, "time": 0.001, "step": 150}\n'
)
HF_STATE_LINE = (
    '{"global_step": 20, "log_history": [{"epoch": 0.1, "loss": 1.25, "learning_rate": 5e-05, '
    '"step": 10}, {"epoch": 0.2, "loss": 1.125, "learning_rate": 4e-05, "step": 20}, '
    '{"epoch": 0.2, "eval_loss": 0.875, "step": 20}], "logging_steps": 10, "max_steps": 20}\n'
)
HF_STATE = """\
{
  "best_metric": null,
  "epoch": 0.2,
  "global_step": 20,
  "log_history": [
    {
      "epoch": 0.1,
      "grad_norm": 12.125,
      "learning_rate": 5e-05,
      "loss": 1.25,
      "step": 10
    },
    {
      "epoch": 0.2,
      "grad_norm": 11.0625,
      "learning_rate": 4e-05,
      "loss": 1.125,
      "step": 20
    },
    {
      "epoch": 0.2,
      "eval_loss": 0.875,
      "step": 20
    }
  ],
  "logging_steps": 10,
  "max_steps": 20,
  "train_batch_size": 4
}
"""
JSON_LINES = (
    '{"step": 13, "loss": 4.5625, "lr": 0.00125}\n'
    '{"step": 14, "loss": 3.9375, "lr": 0.00115}\n'
    '{"step": 25, "train": {"acc": 0.125}, "loss": 2.0625}\n'
)
EPOCH_TABLE = (
    "      Epoch    GPU_mem   box_loss   cls_loss  Instances       Size\n"
    "        1/2      2.61G        1.5        2.5         13        640: 100%|##########| 8/8 "
    "[00:03<00:00,  2.22it/s]\n"
    "                 Class     Images  Instances      Box(P          R      mAP50)\n"
    "                   all        128        929      0.625      0.375      0.5\n"
    "\n"
    "      Epoch    GPU_mem   box_loss   cls_loss  Instances       Size\n"
    "        2/2      2.61G       1.25       2.25         13        640: 100%|##########| 8/8 "
    "[00:03<00:00,  2.22it/s]\n"
)
BOXED = (
    "------------------------------------\n"
    "| time/                |           |\n"
    "|    fps               | 900       |\n"
    "|    total_timesteps   | 2048      |\n"
    "| train/               |           |\n"
    "|    loss              | 6.5       |\n"
    "|    learning_rate     | 0.0003    |\n"
    "------------------------------------\n"
    "------------------------------------\n"
    "| time/                |           |\n"
    "|    total_timesteps   | 4096      |\n"
    "| train/               |           |\n"
    "|    loss              | 5.25      |\n"
    "|    learning_rate     | 0.00025   |\n"
    "------------------------------------\n"
)
LIGHTNING = (
    "epoch,lr-SGD,step,train_loss,val_loss\n"
    "0,0.125,49,2.1250,\n"
    "0,0.115,99,1.8125,\n"
    "0,,99,,1.9375\n"
    "1,0.105,149,1.5625,\n"
)
COLUMNS = "11 8.048333168029785\n12 7.625\n13 17.1875\n"
PLAIN = (
    "Iteration 12/100 - Loss: 11.2315\n"
    "Iteration 13/100 - Loss: 10.5625\n"
    "Iteration 24/100 - Loss: 9.1875\n"
)
PLAIN_BAR = (
    "Epoch [1/2]:  10%|# | 10/100 [00:01<00:09, loss: 2.3125]\r"
    "Epoch [1/2]:  20%|##| 20/100 [00:02<00:08, loss: 2.1875]\n"
)

ONE_SIDE = "=== CUDA ===\n4.5625 4.3125 4.1875\n4.0625 3.9375\n"

LOGS = {
    "tcappdll": TCAPPDLL,
    "tcappdll json": TCAPPDLL_JSON,
    "mmengine": MMENGINE,
    "mmcv": MMCV,
    "hf-trainer": HF_TRAINER,
    "megatron": MEGATRON,
    "mllog": MLLOG,
    "mmcv .log.json": MMCV_JSON,
    "scalars.json": SCALARS_JSON,
    "hf-trainer state": HF_STATE,
    "hf-trainer state on a line": HF_STATE_LINE,
    "json lines": JSON_LINES,
    "epoch table": EPOCH_TABLE,
    "boxed table": BOXED,
    "csv": LIGHTNING,
    "blocks of losses": ONE_SIDE,
    "columns": COLUMNS,
    "plain": PLAIN,
}
BLOCKS = {
    "config block": header(),
    "argument block": "Namespace(batch_size=1, lr=0.0004, seed=3)\nTrainingArguments(\n"
    "learning_rate=5e-05,\nlogging_steps=10,\nmax_steps=20,\n)\n",
    "environment block": header().split("Config:")[0] + " SDAA Driver  | 2.1.0 (N/A)\n"
    "Port environment:\n    world_size: 4\n    deterministic: True\n\n",
    "command line": "+ torchrun --nproc_per_node=4 train.py --lr 0.01 \\\n"
    "    --batch-size 8 --bf16\nweight_decay: 0.1\n",
    "notes on the device": "TORCH_SDAA_AUTOLOAD=cuda_migrate\nProcess rank: 0, world size: 4, "
    "device: npu:0, distributed training: True, compute dtype: torch.bfloat16\n",
    "launch settings": "using world size: 8, data-parallel size: 8, context-parallel size: 1\n"
    "  global_batch_size ............................... 64\n"
    "  seed ............................................ 1234\n"
    "[INFO|trainer.py:2422] 2025-05-01 10:00:00,000 >>   Total optimization steps = 1,248\n",
}
"""Blocks that state facts and hold no record."""

SPELLINGS = {
    "mmengine, by epoch": (
        "06/23 05:12:33 - mmengine - INFO - Epoch(train)   [2][ 100/500]  lr: 1.25e-03  "
        "eta: 1:02:03  time: 0.25  loss: 12.0625  loss_cls: 11.125\n"
        "06/23 05:13:33 - mmengine - INFO - Epoch(train)   [2][ 200/500]  lr: 1.125e-03  "
        "eta: 1 day, 1:01:03  time: 0.375  loss: 11.0625  loss_cls: 10.125\n"
        "06/23 05:14:33 - mmengine - INFO - Epoch(val) [2][10/10]    coco/bbox_mAP: 0.3125\n"
    ),
    "mmcv, by epoch": (
        "2021-08-01 12:00:30,123 - mmdet - INFO - Epoch [1][50/7330]\tlr: 1.978e-03, "
        "eta: 1 day, 5:10:11, time: 0.466, memory: 3999, loss_cls: 1.125, loss: 12.25\n"
        "2021-08-01 12:01:00,123 - mmdet - INFO - Epoch [1][100/7330]\tlr: 2.978e-03, "
        "eta: 22:10:11, time: 0.461, memory: 3999, loss_cls: 1.0625, loss: 11.75\n"
        "2021-08-01 13:01:00,123 - mmdet - INFO - Epoch(val) [1][5000]\tbbox_mAP: 0.3125\n"
    ),
    "plain, step and loss": "step 13 loss 14.5\nstep 14 loss 13.25\nstep 25 loss 12.125\n",
    "plain, step last": (
        "12iter - loss: 14.2954 - learning_rate: 4.997e-05 - epoch: 0.0 - step: 11\n"
        "13iter - loss: 13.9375 - learning_rate: 4.995e-05 - epoch: 0.0 - step: 12\n"
    ),
    "plain, bars alone": "|Loss: 10.125\n|Loss: 9.5\n|Loss: 8.75\n",
    "plain, train and validation": (
        "step 100: train loss 14.2874, val loss 15.2823\n"
        "step 250: train loss 13.5125, val loss 14.5312\n"
    ),
    "plain, a bar of tqdm": (
        "Epoch 1:  10%|#  | 10/100 [00:01<00:09, 9.81it/s, loss=12.3125]\r"
        "Epoch 1:  20%|## | 20/100 [00:02<00:08, 9.79it/s, loss=12.1875]\n"
    ),
    "plain, ranks": (
        "rank: 10 iteration: 11 lr: 0.0125 loss: 14.5\n"
        "rank: 11 iteration: 11 lr: 0.0125 loss: 13.25\n"
    ),
    "csv, step last": "loss,grad_norm,step\n12.5,1.125,10\n11.75,1.0625,20\n",
    "csv, tidy": "run,rank,step,name,value\n0,0,10,loss,12.5\n0,1,10,loss,12.75\n0,0,11,lr,0.125\n",
    "csv, tensorboard": (
        "Wall time,Step,Value\n1625000000.25,10,12.5\n"
        "1625000001.25,20,11.75\n1625000002.25,30,10.5\n"
    ),
    "csv, semicolons": "step;loss\n10;12.5\n11;11.25\n12;10.125\n",
    "columns with a heading": "step loss\n11 8.25\n12 7.625\n13 17.1875\n",
    "columns with commas": "11, 8.25\n12, 7.625\n13, 17.1875\n",
    "json lines, nested": (
        '{"_step": 13, "train": {"loss": 4.5625, "acc": 0.125}, "_runtime": 12}\n'
        '{"_step": 14, "train": {"loss": 3.9375, "acc": 0.25}, "_runtime": 13}\n'
    ),
    "hf-trainer in a bar": (
        "  1%|1         | 10/1000 [00:05<08:15,  2.00it/s]"
        "{'loss': 11.25, 'learning_rate': 4.95e-05, 'epoch': 0.01}\r"
        "  2%|2         | 20/1000 [00:10<08:10,  2.00it/s]"
        "{'loss': '10.75', 'learning_rate': '4.9e-05', 'epoch': '0.02'}\n"
    ),
}
"""The same formats as other programs, or other versions, spell them."""
