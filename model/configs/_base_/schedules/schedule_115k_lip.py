# CE2P's first release: 150 epochs of LIP's 30,462 images in batches of 40, from 5 GPUs.
_base_ = "./schedule_40k.py"
optimizer = dict(lr=0.007)
optim_wrapper = dict(optimizer=optimizer)
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=115000, by_epoch=False)]
train_cfg = dict(max_iters=115000, val_interval=11500)
default_hooks = dict(checkpoint=dict(interval=11500))
auto_scale_lr = dict(base_batch_size=40)
