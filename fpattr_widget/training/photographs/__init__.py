"""Make the model for photographs from published packages, without a picture."""
