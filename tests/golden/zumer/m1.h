/* Made by zumer_models.py: see there. */
#include "models/golden.h"

static const golden_value terms_11[] = {
  { "loss", 2.64706526442, 0 },
};
static const golden_value grads_11[] = {
  { "cls.out.bias", 0.50319444, 0.536004765 },
  { "cls.out.weight", 0.760771968, 1.00040005 },
};
static const golden_value terms_12[] = {
  { "loss", 2.19357369165, 0 },
};
static const golden_value grads_12[] = {
  { "cls.hidden.bias", -0.0179151345, 0.136260825 },
  { "cls.hidden.weight", -0.0191198487, 0.226239141 },
  { "cls.out.bias", 0.269229878, 0.456036283 },
  { "cls.out.weight", 0.0656282504, 0.638235042 },
};
