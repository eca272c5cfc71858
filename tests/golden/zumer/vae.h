/* Made by zumer_models.py: see there. */
#include "models/golden.h"

static const golden_value terms_6[] = {
  { "loss", 6342.17276231, 0 },
  { "recon", 544.37140168, 0 },
  { "kl", 5797.80136063, 0 },
};
static const golden_value grads_6[] = {
  { "dec.conv1.bias", 7.08279595, 7.55214702 },   { "dec.conv1.weight", -0.947921626, 1.64362573 },
  { "dec.conv2.bias", 7.48159795, 17.524343 },    { "dec.conv2.weight", 4.78328528, 14.8677933 },
  { "dec.fc1.bias", -0.161619575, 1.62739734 },   { "dec.fc1.weight", 2.9212758, 3.38188629 },
  { "enc.conv1.bias", 0.0131200678, 2.64432768 }, { "enc.conv1.weight", -8.16278307, 7.1757286 },
  { "enc.conv2.bias", -2.29072072, 3.5449071 },   { "enc.conv2.weight", -19.1109774, 24.6219631 },
  { "enc.logvar.bias", 92.8583145, 200 },         { "enc.logvar.weight", -15.9174704, 129.646327 },
  { "enc.mu.bias", 2.72016745, 3.84310334 },      { "enc.mu.weight", 9.80664573, 8.14821206 },
};
static const golden_value terms_7[] = {
  { "loss", 6343.83248143, 0 },
  { "recon", 543.787332767, 0 },
  { "kl", 5800.04514867, 0 },
};
static const golden_value grads_7[] = {
  { "dec.conv1.bias", 8.12730912, 7.22569883 },  { "dec.conv1.weight", 0.979847387, 4.27430392 },
  { "dec.conv2.bias", 6.37153108, 14.9242043 },  { "dec.conv2.weight", -9.80643365, 20.7145433 },
  { "enc.conv1.bias", 0.343426468, 5.1632972 },  { "enc.conv1.weight", -15.4958496, 14.3482595 },
  { "enc.conv2.bias", -3.72288243, 5.92845317 }, { "enc.conv2.weight", -14.0165781, 44.5100314 },
  { "enc.logvar.bias", 92.8583145, 200 },        { "enc.logvar.weight", -15.9174704, 129.646327 },
  { "enc.mu.bias", 3.8589345, 5.45197468 },      { "enc.mu.weight", 19.9412183, 16.6221799 },
};
static const golden_value terms_8[] = {
  { "loss", 658.229071812, 0 },
  { "recon", 136.155742528, 0 },
  { "kl", 522.073329285, 0 },
};
static const golden_value grads_8[] = {
  { "dec.conv1.bias", 0.255190026, 0.341893007 },
  { "dec.conv1.weight", 0.218731197, 0.196482724 },
  { "dec.conv2.bias", 2.52544853, 5.9154243 },
  { "dec.conv2.weight", -0.218778401, 0.484331529 },
  { "dec.fc1.bias", -0.0492996711, 0.201180919 },
  { "dec.fc1.weight", 0.0426543743, 0.183507036 },
  { "dec.fc2.bias", 0.123549441, 0.242303517 },
  { "dec.fc2.weight", 0.118451061, 0.185956728 },
  { "dec.fc3.bias", -2.46625757, 1.27594755 },
  { "dec.fc3.weight", 0.176199381, 0.370016564 },
  { "enc.conv1.bias", 0.768824489, 1.19488793 },
  { "enc.conv1.weight", -2.38570577, 2.99035001 },
  { "enc.conv2.bias", -0.0138656349, 1.28915914 },
  { "enc.conv2.weight", -1.00611127, 2.18831519 },
  { "enc.fc1.bias", -0.0576705257, 0.324555066 },
  { "enc.fc1.weight", 0.0512734782, 2.05575653 },
  { "enc.fc2.bias", 0.146617114, 0.552439685 },
  { "enc.fc2.weight", -0.86864166, 1.61480264 },
  { "enc.logvar.bias", 8.35724831, 18 },
  { "enc.logvar.weight", 0.93055746, 4.49886976 },
  { "enc.mu.bias", -0.368900575, 0.521189618 },
  { "enc.mu.weight", 0.373359024, 1.12612078 },
};
static const golden_value terms_9[] = {
  { "loss", 227.482011559, 0 },
  { "recon", 153.27113819, 0 },
  { "kl", 74.2108733682, 0 },
};
static const golden_value grads_9[] = {
  { "m1.dec1.bias", -3.25389435, 5.92152582 },  { "m1.dec1.weight", -4.46828742, 19.7925958 },
  { "m1.dec2.bias", -2.52381347, 3.11059123 },  { "m1.dec2.weight", 2.69768372, 5.81404064 },
  { "m1.enc1.bias", 1.17107134, 2.09160342 },   { "m1.enc1.weight", -0.0748438729, 15.2042454 },
  { "m1.enc2.bias", 3.81807442, 4.2478978 },    { "m1.enc2.weight", -1.60859363, 16.8980964 },
  { "m1.logvar.bias", 1.05433774, 1.11803399 }, { "m1.logvar.weight", -3.99142054, 3.49988246 },
  { "m1.mu.bias", 1.08174378, 4.99862134 },     { "m1.mu.weight", 8.21197241, 15.6275523 },
  { "m1.out.bias", -1.69427737, 3.65010427 },   { "m1.out.weight", -8.38357712, 14.7675105 },
};
static const golden_value terms_10[] = {
  { "loss", 300.85543344, 0 },
  { "recon", 153.181582658, 0 },
  { "kl", 74.1744681843, 0 },
  { "momentum", 73.4993825975, 0 },
};
static const golden_value grads_10[] = {
  { "hmc.hidden.bias", 0.454692596, 1.18217418 },
  { "hmc.hidden.weight", 1.55107882, 4.30759328 },
  { "hmc.log_step", 0.0516067747, 0.220213606 },
  { "hmc.logvar.bias", -0.627731204, 1.11803399 },
  { "hmc.mean.bias", 0.417470774, 0.992982356 },
  { "hmc.mean.weight", -0.329609971, 2.11606326 },
  { "hmc.spread.bias", -0.000426400801, 0.931925894 },
  { "hmc.spread.weight", -0.476604283, 1.987294 },
  { "m1.dec1.bias", -3.26648838, 5.94155295 },
  { "m1.dec1.weight", -4.63591159, 19.7398877 },
  { "m1.dec2.bias", -2.61169699, 3.13385528 },
  { "m1.dec2.weight", 3.07835888, 5.86245072 },
  { "m1.enc1.bias", 1.11633214, 2.306052 },
  { "m1.enc1.weight", 0.951264052, 16.7581893 },
  { "m1.enc2.bias", 4.16175427, 4.69314125 },
  { "m1.enc2.weight", -0.912876691, 18.6856476 },
  { "m1.logvar.bias", 1.05433774, 1.11803399 },
  { "m1.logvar.weight", -3.99142054, 3.49988246 },
  { "m1.mu.bias", 0.991701312, 5.2070274 },
  { "m1.mu.weight", 5.96077432, 16.27773 },
  { "m1.out.bias", -1.67061176, 3.65374517 },
  { "m1.out.weight", -8.46252496, 14.7774996 },
};
