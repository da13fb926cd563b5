// The annulus 3 < |x| < 7, for the target "ring" of radius 5 and width 1/4, whose potential is 64 kT at
// both walls.
inner = 3;
outer = 7;
size = 0.34;

SetFactory("OpenCASCADE");
Disk(1) = {0, 0, 0, outer};
Disk(2) = {0, 0, 0, inner};
BooleanDifference(3) = { Surface{1}; Delete; }{ Surface{2}; Delete; };
Physical Surface("domain") = {3};

Mesh.MeshSizeMin = size;
Mesh.MeshSizeMax = size;
// Frontal-Delaunay with smoothing: no obtuse triangle at this size.
Mesh.Algorithm = 6;
Mesh.Smoothing = 10;
