"""Where a flow takes place: the box that matters, tensor grids and simplex meshes."""
