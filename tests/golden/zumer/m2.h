/* Made by zumer_models.py: see there. */
#include "models/golden.h"

static const golden_value terms_13[] = {
  { "loss", 114.943374652, 0 }, { "recon", 11.5575000173, 0 },      { "kl", 58.2212854524, 0 },
  { "cls", 8.83983909015, 0 },  { "unlabelled", 70.4035147411, 0 },
};
static const golden_value grads_13[] = {
  { "cls.hidden.bias", -2.30539535, 3.34240204 },  { "cls.hidden.weight", 0.215463296, 6.28097483 },
  { "cls.out.bias", 4.4657429, 4.87971962 },       { "cls.out.weight", 11.8153034, 12.298904 },
  { "p.hidden.bias", 0.433011669, 4.4567307 },     { "p.hidden.weight", 1.2847503, 2.76102212 },
  { "p.mean.bias", 1.72148928, 7.18171544 },       { "p.mean.weight", 1.38276444, 15.4226828 },
  { "p.spread.bias", -4.92703191, 4.90519809 },    { "p.spread.weight", -0.0621529347, 10.5631792 },
  { "q.logvar.bias", -1.20860182, 1.25 },          { "q.logvar.weight", -0.509545527, 3.85148381 },
  { "q.mu.bias", -1.40559399, 3.83682568 },        { "q.mu.weight", 9.45713525, 11.9491441 },
  { "root.hidden.bias", -0.324508357, 1.1493444 }, { "root.hidden.weight", 1.05256089, 2.19300358 },
};
static const golden_value terms_15[] = {
  { "loss", 1295.60839955, 0 },
  { "recon", 545.590426971, 0 },
  { "kl", 726.602703636, 0 },
  { "cls", 7.03756128327, 0 },
};
static const golden_value grads_15[] = {
  { "cls.fc1.bias", 0.363117185, 1.55429899 },
  { "cls.fc1.weight", -3.48269761, 17.5483336 },
  { "cls.fc2.bias", -2.09065585, 2.23842766 },
  { "cls.fc2.weight", 0.622483296, 5.77385963 },
  { "cls.out.bias", 3.80764985, 4.10373194 },
  { "cls.out.weight", -4.80969778, 5.96568288 },
  { "dec.affine1.bias", 0.35141416, 1.92783178 },
  { "dec.affine1.weight", -1.09241882, 3.72852045 },
  { "dec.affine2.bias", 3.65749122, 3.8637855 },
  { "dec.affine2.weight", 9.64449737, 19.8697098 },
  { "dec.conv1.bias", -3.55667825, 5.09911143 },
  { "dec.conv1.weight", 6.4498256, 9.88670071 },
  { "dec.conv2.bias", 8.32828642, 19.5075636 },
  { "dec.conv2.weight", 4.10469973, 7.45472708 },
  { "q.logvar.bias", -4.06155199, 3.53553391 },
  { "q.logvar.weight", -24.6588037, 38.4007038 },
  { "q.mu.bias", -0.685163504, 3.19884724 },
  { "q.mu.weight", -11.3733191, 35.3252064 },
  { "root.affine1.bias", 0.131812483, 1.67495296 },
  { "root.affine1.weight", -2.36718762, 25.8003977 },
  { "root.affine2.bias", -3.40781121, 2.41470166 },
  { "root.affine2.weight", 12.0446308, 39.4496737 },
  { "root.conv1.bias", 0.91865169, 4.07414754 },
  { "root.conv1.weight", -3.23819899, 6.51516868 },
  { "root.conv2.bias", 3.05962419, 4.06501542 },
  { "root.conv2.weight", 0.369605636, 12.6272716 },
};
static const golden_value terms_16[] = {
  { "loss", 567.877169802, 0 }, { "recon", 177.763794641, 0 },     { "kl", 101.813466914, 0 },
  { "cls", 6.99179026408, 0 },  { "unlabelled", 279.00553289, 0 },
};
static const golden_value grads_16[] = {
  { "cls.fc1.bias", -0.324032272, 0.786833722 },
  { "cls.fc1.weight", -0.0613230022, 2.3699463 },
  { "cls.fc2.bias", -0.832189924, 1.05985705 },
  { "cls.fc2.weight", -0.947712378, 1.41844676 },
  { "cls.out.bias", 1.24776193, 1.36463829 },
  { "cls.out.weight", 1.16389733, 1.06827817 },
  { "dec.affine1.bias", -0.140132328, 0.60136681 },
  { "dec.affine1.weight", -0.201947403, 0.6511859 },
  { "dec.conv1.bias", 0.490073943, 0.580720728 },
  { "dec.conv1.weight", -3.52062254, 3.07937427 },
  { "dec.conv2.bias", 2.58966093, 6.06583069 },
  { "dec.conv2.weight", 0.682166388, 2.97670798 },
  { "q.logvar.bias", -3.33074677, 2.64575131 },
  { "q.logvar.weight", -1.3277168, 7.75739261 },
  { "q.mu.bias", -0.726987884, 1.43187593 },
  { "q.mu.weight", 1.6862097, 4.29154362 },
  { "root.affine1.bias", -0.268849805, 0.622909991 },
  { "root.affine1.weight", 5.23865339, 5.43250185 },
  { "root.conv1.bias", 0.313909877, 1.36666014 },
  { "root.conv1.weight", 0.02011703, 2.54323174 },
  { "root.conv2.bias", 0.122967692, 1.56037525 },
  { "root.conv2.weight", 3.0444029, 5.91552826 },
};
