// The kernels of one instruction set: this file is compiled once for each, FLUVIAL_KERNELS naming the table.
#include "affine.h"
#include "laws.h"
#include "sweep_vjp.h"
#include "wave.h"

extern const Kernels FLUVIAL_KERNELS;
const Kernels FLUVIAL_KERNELS = {
    FLUVIAL_NAME,
    {spline<float>, spline<double>},
    {sweep<float>, sweep<double>},
    {sweep_vjp<float>, sweep_vjp<double>},
    {affine<float>, affine<double>},
    {wave<float>, wave<double>},
    {laws<float>, laws<double>}};
