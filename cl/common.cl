/* common.cl: put in front of every kernel file and of generated kernels.
 *
 * What the host defines for a device:
 *   LCL_PANEL   1: kernels run one work-item a work-group with wide vectors (CPU drivers); 0: tiled work-groups (GPUs)
 *   LCL_VEC     native vector width of float (1, 4, 8, 16)
 */
#ifndef LCL_PANEL
#define LCL_PANEL 0
#endif
#ifndef LCL_VEC
#define LCL_VEC 8
#endif
