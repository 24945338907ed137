// The kernels of one instruction set: this file is compiled once for each, FLUVIAL_KERNELS naming the table.
#include "elementwise.h"

extern const Kernels FLUVIAL_KERNELS;
const Kernels FLUVIAL_KERNELS = {FLUVIAL_NAME, {spline<float>, spline<double>}};
