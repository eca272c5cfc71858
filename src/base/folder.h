/* Layer 0: folders that one process at a time may write to, and their end. */
#ifndef LCL_FOLDER_H
#define LCL_FOLDER_H

#include "base/base.h"

/* Locks the folder for this process until the lock is released or the process ends, however it
 * ends; nothing is left in the folder, and what killed processes left there is removed. LCL_ERR_IO
 * names the process that holds it. */
lcl_status lcl__folder_lock(const char *path, int *lock);
void lcl__folder_unlock(int lock); /* -1 is fine */

/* The folder with all that is in it; links are not followed. What cannot be removed stays. */
void lcl__folder_remove(const char *path);

#endif
