// A ball of radius 4 about the origin.
radius = 4;
size = 0.6;

SetFactory("OpenCASCADE");
Sphere(1) = {0, 0, 0, radius};
Physical Volume("domain") = {1};

Mesh.MeshSizeMin = size;
Mesh.MeshSizeMax = size;
Mesh.OptimizeNetgen = 1;
