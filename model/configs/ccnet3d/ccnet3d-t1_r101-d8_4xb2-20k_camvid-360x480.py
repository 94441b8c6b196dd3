# The same network on single images: what the clips are worth is measured against it.
_base_ = "./ccnet3d-t5_r101-d8_4xb2-20k_camvid-360x480.py"
clip = dict(clip_length=1, frame_folder=None)
train_dataloader = dict(dataset=clip)
val_dataloader = dict(dataset=clip)
test_dataloader = dict(dataset=clip)
