// A disk of radius 4 about the origin, for targets that live in all of the plane.
radius = 4;
size = 0.36;

SetFactory("OpenCASCADE");
Disk(1) = {0, 0, 0, radius};
Physical Surface("domain") = {1};

Mesh.MeshSizeMin = size;
Mesh.MeshSizeMax = size;
// Frontal-Delaunay with smoothing: no obtuse triangle.
Mesh.Algorithm = 6;
Mesh.Smoothing = 10;
