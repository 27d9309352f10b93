"""What an audit reads: claims as a person wrote them, and the library of references."""
