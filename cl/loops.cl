/* loops.cl: a number that only `rounds` rounds of a loop give (src/device/loops.c). */
kernel void count_rounds(global uint *out, int rounds) {
  uint x = out[0];
  for (int r = 0; r < rounds; r++) x = (x ^ (uint)r) * 1664525u + 1013904223u;
  out[0] = x;
}
