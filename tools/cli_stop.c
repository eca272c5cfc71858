/* Signals that ask a command to finish what it does, save and end. */
#include <signal.h>

#include "cli.h"

static volatile sig_atomic_t stop_signal;

/* The second one ends the process the ordinary way. */
static void on_signal(int number) {
  if (stop_signal) {
    signal(number, SIG_DFL);
    raise(number);
  }
  stop_signal = number;
}

void cli_catch_stop(void) {
  static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
  struct sigaction ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, before;
  sigemptyset(&ours.sa_mask);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
      sigaction(numbers[i], &ours, NULL);
}

int cli_stopped(void) {
  return stop_signal;
}

int cli_stop_code(void) {
  return 128 + (stop_signal ? stop_signal : SIGINT);
}
