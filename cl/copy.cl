/* copy.cl: what the copies of shape.cl and copy_packed.cl share. Included. */

/* Where element 0 of row q of dimensions 0 to 3 lies. */
static int row_offset(int q, int8 dims, int8 strides) {
  int i3 = q % dims.s3;
  q /= dims.s3;
  int i2 = q % dims.s2;
  q /= dims.s2;
  int i1 = q % dims.s1;
  q /= dims.s1;
  return q * strides.s0 + i1 * strides.s1 + i2 * strides.s2 + i3 * strides.s3;
}
