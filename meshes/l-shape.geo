// The square [-1, 1]^2 without its lower right quarter: a domain with a re-entrant corner, at the
// origin.
size = 0.07;

Point(1) = {-1, -1, 0, size};
Point(2) = { 0, -1, 0, size};
Point(3) = { 0,  0, 0, size};
Point(4) = { 1,  0, 0, size};
Point(5) = { 1,  1, 0, size};
Point(6) = {-1,  1, 0, size};
Line(1) = {1, 2};
Line(2) = {2, 3};
Line(3) = {3, 4};
Line(4) = {4, 5};
Line(5) = {5, 6};
Line(6) = {6, 1};
Curve Loop(1) = {1, 2, 3, 4, 5, 6};
Plane Surface(1) = {1};
Physical Surface("domain") = {1};

// Frontal-Delaunay with smoothing: no obtuse triangle at this size.
Mesh.Algorithm = 6;
Mesh.Smoothing = 10;
