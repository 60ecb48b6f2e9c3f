"""The miniature's generators and its stand-in for Inception, trained on the made world by scripts that lie here."""
