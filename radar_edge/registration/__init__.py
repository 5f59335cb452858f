"""How one camera's picture lies on another's, estimated from pairs of pictures. Pure: no file, camera or line."""
