"""Files at a vehicle: photographs and scanner's images."""
