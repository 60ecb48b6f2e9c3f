"""Label Studio: its server, its projects, what is pushed there and pulled back."""
