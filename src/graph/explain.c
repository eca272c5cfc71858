/* What a compiled program is, for people: nodes, groups, launches, arithmetic, memory; or Graphviz.
 */
#include "base/json.h"
#include "base/text.h"
#include "graph/compile.h"

static void describe_group(const lcl_lower *lw, const lcl_group *gp, lcl_str *s) {
  char shape[96];
  lcl__str_add(s, "  ");
  for (int i = 0; i < gp->n; i++)
    lcl__str_add(s, "%s%s", i ? " + " : "", lcl__node_name(gp->nodes[i]));
  const lcl_node *last = gp->nodes[gp->n - 1];
  lcl__str_add(s, "  -> %s %s\n", lcl_dtype_name(last->out[0].dtype),
               lcl_shape_string(last->out[0].shape, shape));
  (void)lw;
}

/* The names of tensors are the caller's: quoted as JSON does it, which DOT reads alike. */
static void dot_node(lcl_str *s, const lcl_node *node) {
  lcl_str label = { 0 };
  char shape[96];
  lcl__str_add(&label, "%s%s%s\n%s", lcl__node_name(node), node->name ? " " : "",
               node->name ? node->name : "", lcl_shape_string(node->out[0].shape, shape));
  lcl__str_add(s, "    n%d [label=", node->id);
  lcl__str_json_text(s, label.data ? label.data : "");
  lcl__str_add(s, "];\n");
  s->failed |= label.failed;
  lcl__str_free(&label);
}

static void dot_group(const lcl_lower *lw, int group, lcl_str *s) {
  const lcl_group *gp = &lw->groups.groups[group];
  lcl__str_add(s, "  subgraph cluster_%d {%s\n", group,
               gp->n > 1 ? " style=rounded; color=steelblue;" : " color=none;");
  for (int i = 0; i < gp->n; i++)
    if (lw->groups.group_of[gp->nodes[i]->id] == group) dot_node(s, gp->nodes[i]);
  lcl__str_add(s, "  }\n");
  for (int i = 0; i < gp->n; i++)
    for (int j = 0; lw->groups.group_of[gp->nodes[i]->id] == group && j < gp->nodes[i]->n_in; j++)
      lcl__str_add(s, "  n%d -> n%d;\n", gp->nodes[i]->in[j]->node->id, gp->nodes[i]->id);
}

lcl_status lcl__explain_groups(const lcl_lower *lw, char **summary, char **dot) {
  lcl_str s = { 0 }, d = { 0 };
  lcl__str_add(&s, "Groups that run as one (element-wise chains, reductions, epilogues):\n");
  lcl__str_add(&d,
               "digraph program {\n  node [shape=box, fontname=\"sans-serif\", fontsize=10];\n");
  for (int i = 0; i < lw->groups.n_groups; i++) {
    if (lw->groups.groups[i].n > 1) describe_group(lw, &lw->groups.groups[i], &s);
    if (lw->groups.groups[i].n) dot_group(lw, i, &d);
  }
  lcl__str_add(&d, "}\n");
  *summary = s.data;
  *dot = d.data;
  return lcl__str_ok(&s) && lcl__str_ok(&d) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static void explain_text(const lcl_program *p, lcl_str *s) {
  const lcl_program_stats *t = &p->stats;
  lcl__str_add(s, "%zu node%s in %zu launch%s, %zu fused group%s\n", t->nodes,
               t->nodes == 1 ? "" : "s", t->launches, t->launches == 1 ? "" : "es", t->fused_groups,
               t->fused_groups == 1 ? "" : "s");
  lcl__str_add(s, "%.3f GFLOP and %.1f MB moved in a run\n", t->flops * 1e-9, t->bytes * 1e-6);
  lcl__str_add(
      s, "memory: %.2f MB for intermediates (%.2f MB if none shared), %.2f MB of variables\n\n",
      (double)t->peak_memory * 1e-6, (double)t->sum_memory * 1e-6,
      (double)t->variable_memory * 1e-6);
  if (p->notes)
    lcl__str_add(s, "%s\nChoices (algorithm, where from, workspace, time; then what is next):\n%s",
                 p->summary, p->notes);
  else
    lcl__str_add(s, "%s", p->summary);
  lcl__str_add(s, "\nQueues: ");
  lcl__list_describe(p->list, s);
  lcl__str_add(s, "\nLaunches:\n  %-4s %-5s %-70s %12s %10s\n", "#", "queue", "what", "MFLOP",
               "MB");
  for (size_t i = 0; i < p->n_launches; i++)
    lcl__str_add(s, "  %-4zu %-5d %-70s %12.3f %10.3f\n", i, lcl__list_queue(p->list, i),
                 p->launches[i].label, p->launches[i].flops * 1e-6, p->launches[i].bytes * 1e-6);
}

/* The lines of a text without blanks around them. */
static void add_lines(cJSON *parent, const char *name, const char *text) {
  cJSON *all = cJSON_AddArrayToObject(parent, name);
  for (const char *p = text ? text : ""; *p;) {
    char line[512];
    p += strspn(p, " ");
    lcl__snprintf(line, sizeof line, "%.*s", (int)strcspn(p, "\n"), p);
    cJSON_AddItemToArray(all, cJSON_CreateString(line));
    p += strcspn(p, "\n");
    p += *p == '\n';
  }
}

static char *explain_json(const lcl_program *p) {
  const lcl_program_stats *t = &p->stats;
  cJSON *o = cJSON_CreateObject();
  cJSON_AddNumberToObject(o, "nodes", (double)t->nodes);
  cJSON_AddNumberToObject(o, "fused_groups", (double)t->fused_groups);
  cJSON_AddNumberToObject(o, "flops", t->flops);
  cJSON_AddNumberToObject(o, "bytes", t->bytes);
  cJSON_AddNumberToObject(o, "peak_memory", (double)t->peak_memory);
  cJSON_AddNumberToObject(o, "sum_memory", (double)t->sum_memory);
  cJSON_AddNumberToObject(o, "variable_memory", (double)t->variable_memory);
  add_lines(o, "choices", p->notes);
  cJSON *all = cJSON_AddArrayToObject(o, "launches");
  for (size_t i = 0; i < p->n_launches; i++) {
    cJSON *l = cJSON_CreateObject();
    cJSON_AddItemToArray(all, l);
    cJSON_AddStringToObject(l, "what", p->launches[i].label);
    cJSON_AddNumberToObject(l, "queue", lcl__list_queue(p->list, i));
    cJSON_AddNumberToObject(l, "flops", p->launches[i].flops);
    cJSON_AddNumberToObject(l, "bytes", p->launches[i].bytes);
  }
  char *text = lcl__json_print(o, true);
  cJSON_Delete(o);
  return text;
}

lcl_status lcl_program_explain(const lcl_program *p, lcl_explain_format format, char **text) {
  LCL_NEED(p, text);
  lcl_str s = { 0 };
  if ((unsigned)format > LCL_EXPLAIN_JSON)
    return lcl__fail(LCL_ERR_ARGUMENT, "explain: there is no format %d", (int)format);
  if (format == LCL_EXPLAIN_JSON) {
    *text = explain_json(p);
    return *text ? LCL_OK : lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
  }
  if (format == LCL_EXPLAIN_DOT)
    lcl__str_add(&s, "%s", p->dot);
  else
    explain_text(p, &s);
  if (!lcl__str_ok(&s)) {
    lcl__str_free(&s);
    return LCL_ERR_HOST_MEMORY;
  }
  /* The caller frees with free(): hand out plain memory. */
  *text = strdup(s.data);
  lcl__str_free(&s);
  return *text ? LCL_OK : lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
}
