"""What training/ asks of the Hub and puts there."""
