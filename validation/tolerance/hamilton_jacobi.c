/* Rows of u_t = a (lap u + |grad u|^2 - grad V . grad u) - b u in the plane, for hamilton_jacobi.py. */
#include <math.h>
#include <stddef.h>

#define REACH 3
#define RIM 6

static double inner(const double *u, ptrdiff_t s, double vx, double vy, double one, double two)
{
    double dx = (u[3 * s] - u[-3 * s]) - 9 * (u[2 * s] - u[-2 * s]) + 45 * (u[s] - u[-s]);
    double dy = (u[3] - u[-3]) - 9 * (u[2] - u[-2]) + 45 * (u[1] - u[-1]);
    double bend = 2 * (u[3 * s] + u[-3 * s] + u[3] + u[-3]) - 27 * (u[2 * s] + u[-2 * s] + u[2] + u[-2])
                  + 270 * (u[s] + u[-s] + u[1] + u[-1]) - 980 * u[0];
    dx *= one;
    dy *= one;
    return bend * two + dx * (dx - vx) + dy * (dy - vy);
}

static double outer(const double *u, ptrdiff_t n, ptrdiff_t m, ptrdiff_t i, ptrdiff_t j, double vx,
                    double vy, double h)
{
    const double *at = u + i * m + j;
    double west = i > 0 ? at[-m] : at[m], east = i < n - 1 ? at[m] : at[-m];
    double south = j > 0 ? at[-1] : at[1], north = j < m - 1 ? at[1] : at[-1];
    double dx = (east - west) / (2 * h), dy = (north - south) / (2 * h);
    double nx = 1 + h / 2 * fabs(2 * dx - vx), ny = 1 + h / 2 * fabs(2 * dy - vy);
    return (nx * (east + west - 2 * *at) + ny * (north + south - 2 * *at)) / (h * h) + dx * (dx - vx)
           + dy * (dy - vy);
}

/* sum += weight k,  next = start + length k  with  k = rate(u), by the monotone scheme where `rough` */
static void stage(const double *u, const double *vx, const double *vy, const char *rough, const double *start,
                  double *sum, double *next, ptrdiff_t n, ptrdiff_t m, double h, double a, double b,
                  double weight, double length)
{
    double one = 1 / (60 * h), two = 1 / (180 * h * h), rate[m];
    for (ptrdiff_t i = 0; i < n; i++) {
        ptrdiff_t row = i * m;
        if (i >= REACH && i < n - REACH)
            for (ptrdiff_t j = REACH; j < m - REACH; j++)
                rate[j] = inner(u + row + j, m, vx[row + j], vy[row + j], one, two);
        for (ptrdiff_t j = 0; j < m; j++)
            if (rough[row + j])
                rate[j] = outer(u, n, m, i, j, vx[row + j], vy[row + j], h);
        for (ptrdiff_t j = 0; j < m; j++) {
            double k = a * rate[j] - b * u[row + j];
            sum[row + j] += weight * k;
            next[row + j] = start[row + j] + length * k;
        }
    }
}

/* Where nothing that counts is: V above `highest`, or log rho so far below its maximum; and at walls. */
static void sort_out(const double *u, const double *v, char *rough, ptrdiff_t n, ptrdiff_t m, double highest,
                     double deepest)
{
    double top = u[0] - v[0];
    for (ptrdiff_t k = 0; k < n * m; k++)
        top = u[k] - v[k] > top ? u[k] - v[k] : top;
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < m; j++) {
            ptrdiff_t k = i * m + j;
            rough[k] = v[k] > highest || u[k] - v[k] < top - deepest || i < RIM || i >= n - RIM || j < RIM
                       || j >= m - RIM;
        }
}

static double fastest(const double *u, const double *vx, const double *vy, ptrdiff_t n, ptrdiff_t m, double h)
{
    double most = 0;
    for (ptrdiff_t i = 1; i < n - 1; i++)
        for (ptrdiff_t j = 1; j < m - 1; j++) {
            ptrdiff_t k = i * m + j;
            double speed = fabs((u[k + m] - u[k - m]) / h - vx[k]) + fabs((u[k + 1] - u[k - 1]) / h - vy[k]);
            most = speed > most ? speed : most;
        }
    return most;
}

/* Moves u by the time t with Runge-Kutta's method of order 4 in steps that are stable; spare holds
   three fields. Returns the number of steps. */
long move(double *u, const double *v, const double *vx, const double *vy, double *spare, char *rough, ptrdiff_t n,
          ptrdiff_t m, double h, double a, double b, double t, double highest, double deepest)
{
    ptrdiff_t all = n * m;
    double *sum = spare, *one = spare + all, *two = spare + 2 * all, done = 0, dt = 0;
    long count = 0;
    while (done < t * (1 - 1e-12)) {
        if (count % 20 == 0) {
            sort_out(u, v, rough, n, m, highest, deepest);
            double spread = 0.23 * h * h / a, drift = 1.3 * h / (a * fastest(u, vx, vy, n, m, h));
            dt = 1 / (1 / spread + 1 / drift);
        }
        double step = ceil((t - done) / dt - 1e-9);
        step = (t - done) / step;
        for (ptrdiff_t k = 0; k < all; k++)
            sum[k] = u[k];
        stage(u, vx, vy, rough, u, sum, one, n, m, h, a, b, step / 6, step / 2);
        stage(one, vx, vy, rough, u, sum, two, n, m, h, a, b, step / 3, step / 2);
        stage(two, vx, vy, rough, u, sum, one, n, m, h, a, b, step / 3, step);
        stage(one, vx, vy, rough, u, sum, two, n, m, h, a, b, step / 6, 0);
        for (ptrdiff_t k = 0; k < all; k++)
            u[k] = sum[k];
        done += step;
        count++;
    }
    return count;
}
