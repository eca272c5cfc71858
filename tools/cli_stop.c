/* Signals that ask a command to finish what it does, save and end. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "cli.h"

static volatile sig_atomic_t stop_signal;
static bool someone_waits; /* at a terminal: a workload of `bench` may take a minute to its end */

/* The second one ends the process the ordinary way. */
static void on_signal(int number) {
  static const char word[] = "\nstopping when what runs is done; once more: at once\n";
  if (stop_signal) {
    signal(number, SIG_DFL);
    raise(number);
  }
  stop_signal = number;
  const int before = errno;
  if (someone_waits && write(STDERR_FILENO, word, sizeof word - 1) < 0) someone_waits = false;
  errno = before;
}

enum { SIGNALS = 3 };
static const int numbers[SIGNALS] = { SIGINT, SIGTERM, SIGHUP };
static struct sigaction wanted[SIGNALS];
static bool catching;

static void set_all(void) {
  for (size_t i = 0; i < SIGNALS; i++) sigaction(numbers[i], &wanted[i], NULL);
}

void cli_note_ignored(void) {
  for (size_t i = 0; i < SIGNALS; i++) {
    struct sigaction before;
    wanted[i] = (struct sigaction) { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigemptyset(&wanted[i].sa_mask);
    if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN)
      wanted[i].sa_handler = SIG_IGN;
  }
}

void cli_catch_stop(void) {
  catching = true;
  someone_waits = isatty(STDERR_FILENO);
  set_all();
}

/* Compilers in drivers (LLVM's) put handlers of their own in front of ours, and let two signals
 * that come at once end the process: ours are set again. */
int cli_stopped(void) {
  if (catching && !stop_signal) set_all();
  return stop_signal;
}

int cli_stop_code(void) {
  return 128 + (stop_signal ? stop_signal : SIGINT);
}
