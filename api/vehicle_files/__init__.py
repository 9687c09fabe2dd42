"""Photographs and scanner's images of a vehicle, before there is any case."""
