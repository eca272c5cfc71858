/* conv_mask.cl: the filter of a masked convolution (van den Oord et al. 2016, section 3.4).
 *
 *   out[o,c,y,x] = allowed ? w[o,c,y,x] : 0
 *
 * Allowed are the rows above the centre and what is left of it; the centre itself where the image
 * channel of filter o comes after (type A) or not before (type B) that of channel c. Channel k of K
 * belongs to image channel max(0, floor((k - K mod G)/floor(K/G))) of G, or interleaved k mod G;
 * filters are counted within each of `gates` equal parts.
 * w, out (o_all, c_all, kh, kw). One work-item a (filter, channel).
 */
static int image_channel_of(int k, int all, int image_channels, int interleaved) {
  return interleaved ? k % image_channels
                     : max(0, (k - all % image_channels) / (all / image_channels));
}

kernel void conv_mask(global const float *restrict w, global float *restrict out, int o_all,
                      int c_all, int kh, int kw, int type_b, int image_channels, int gates,
                      int interleaved) {
  const int id = get_global_id(0), o = id / c_all, c = id - o * c_all, part = o_all / gates;
  if (id >= o_all * c_all) return;
  const int to = image_channel_of(o % part, part, image_channels, interleaved);
  const int from = image_channel_of(c, c_all, image_channels, interleaved);
  const int centre = type_b ? to >= from : to > from;
  const int middle = kh / 2 * kw + kw / 2;
  w += id * kh * kw;
  out += id * kh * kw;
  for (int t = 0; t < kh * kw; t++) out[t] = t < middle || (t == middle && centre) ? w[t] : 0.0f;
}
