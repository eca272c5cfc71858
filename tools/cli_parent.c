/* What a parent process may have left us with, put right. */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "cli.h"

/* Closed standard streams: their numbers would be those of the next files that are opened. */
static void open_streams(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      return;
}

void cli_put_right(void) {
  open_streams();
  cli_note_ignored();
  signal(SIGCHLD, SIG_DFL); /* ignored, drivers do not hear of the end of their compiler */
  signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its writer */
}
