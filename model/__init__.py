"""CCNet on torch and mmengine, trained on any device."""
