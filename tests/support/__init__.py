"""What tests share: a vocabulary that builds frames, and captures of them."""
