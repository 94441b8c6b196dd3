_base_ = "./maskrcnn_r50-fpn_1x_coco.py"
model = dict(attention=dict(place="c5", recurrence=2))
