_base_ = [
    "../_base_/models/mask-rcnn_r50_fpn.py",
    "../_base_/datasets/coco_instance.py",
    "../_base_/default_runtime.py",
    "../_base_/schedules/schedule_1x.py",
]
visualizer = dict(type="InstanceLocalVisualizer")
