"""An embedded default set: a motor controller in a die-cast housing, seen by an RGB and a thermal camera.

part      what is on the part, its materials, and how one specimen differs from the next
raster    from shapes in part units to maps of a camera's pixels
drawings  print, laser marks, copper, silk screen
defects   what can be wrong with a specimen, and in which camera it shows
camera    the RGB picture: relief, light, lens, noise
thermal   the temperature of the surface (heat equation) and the thermal picture of it
generate  the folder: which specimen is in which split, masks, tables

Only `radar-edge synth` and tests use it. Training never imports it: a detector that knows how its test defects
were drawn proves nothing.
"""
