"""The MySQL wire, protocol version 10."""
