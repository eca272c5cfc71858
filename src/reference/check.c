#include "reference/check.h"

#include "ops/choose.h"

/* The command that repeats a case, behind its message. */
static lcl_status failed(lcl_status status, const lcl_case *c, const lcl_check_desc *desc,
                         const lcl_spec *spec, uint64_t number) {
  lcl_str text = { 0 }, message = { 0 };
  if (c) lcl__case_describe(c, &text);
  lcl__str_add(&message, "%s", lcl_error_message());
  lcl__fail(status, "%s [%s]; repeat: latentcl check --op %s --seed %llu --case %llu%s%s",
            message.data ? message.data : "", text.data ? text.data : spec->name, spec->name,
            (unsigned long long)desc->seed, (unsigned long long)number,
            desc->small ? " --small" : "", desc->half ? " --precision f16" : "");
  lcl__str_free(&text);
  lcl__str_free(&message);
  return status;
}

static lcl_status check_case(const lcl_check_desc *desc, const lcl_spec *spec, uint64_t number,
                             bool guard, double *worst) {
  lcl_case *c = NULL;
  lcl_case_result result;
  lcl_status status = lcl__case_random(spec, desc->seed, number, desc->small, &c);
  if (status != LCL_OK) return failed(status, NULL, desc, spec, number);
  if (desc->half) lcl__case_halve(c);
  const lcl_case_run_desc run = { .ctx = desc->ctx,
                                  .seed = (uint64_t)lcl__case_attr(c, "seed")->i[0],
                                  .no_fusion = number % 16 == 9,
                                  .guard = guard || number % 4 < 2,
                                  .repeat = number % 8 < 2 };
  status = lcl__case_run(c, &run, &result);
  if (status == LCL_OK) status = lcl__case_reference(c);
  if (status == LCL_OK) status = lcl__case_compare(c, &result, worst);
  if (status != LCL_OK) failed(status, c, desc, spec, number);
  lcl__case_destroy(c);
  return status;
}

lcl_status lcl__check_case(const lcl_check_desc *desc, uint64_t number, double *worst) {
  return check_case(desc, desc->spec, number, false, worst);
}

/* A failure that is the op's, not the machine's. */
static bool is_wrong_result(lcl_status status) {
  return status != LCL_ERR_HOST_MEMORY && status != LCL_ERR_NO_DEVICE &&
         status != LCL_ERR_INTERRUPTED;
}

/* Round by round. An op that failed once may write anywhere: from then on its buffers are always
 * guarded. */
static lcl_status run_rounds(const lcl_check_desc *desc, size_t n, bool *failed,
                             lcl_check_report *report) {
  const double start = lcl__now();
  for (uint64_t round = 0; round < desc->cases; round++) {
    for (size_t i = 0; i < n; i++) {
      if (round > 0 && desc->seconds > 0 && lcl__now() - start > desc->seconds) return LCL_OK;
      const lcl_spec *spec = desc->spec ? desc->spec : lcl__spec_at(i);
      const lcl_status status = check_case(desc, spec, desc->first + round, failed[i], NULL);
      if (status != LCL_OK && !is_wrong_result(status)) return status;
      const bool skipped = status == LCL_ERR_UNSUPPORTED && lcl__choice_asked(desc->ctx),
                 wrong = status != LCL_OK && !skipped;
      report->cases += !skipped;
      report->skipped += skipped;
      report->failures += wrong;
      failed[i] |= wrong;
      const uint64_t done = round * n + i + 1;
      if (desc->seen &&
          !desc->seen(desc->user, spec, done, desc->cases * n, wrong ? lcl_error_message() : NULL))
        return LCL_OK;
    }
  }
  report->complete = true;
  return LCL_OK;
}

lcl_status lcl__check_run(const lcl_check_desc *desc, lcl_check_report *report) {
  const size_t n = desc->spec ? 1 : lcl__spec_count();
  bool *failed = lcl__alloc(n * sizeof *failed);
  if (!failed) return LCL_ERR_HOST_MEMORY;
  *report = (lcl_check_report) { .ops = n };
  const lcl_status status = run_rounds(desc, n, failed, report);
  lcl__free(failed);
  return status;
}
