/* The frame and the style sheet of every page. */
#include "base/page.h"

#include "base/text.h"

/* clang-format off */
static const char style[] =
    ":root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--ink:#1c1d20;--soft:#676b73;--rule:#e4e4e1;"
    "--s1:#2563c9;--s2:#d9630b;--s3:#0d8a6a;--s4:#a3349b;--s5:#8a6d00;--s6:#c02942;--heat:37,99,201;"
    "--edge:rgba(28,29,32,.28)}"
    "@media(prefers-color-scheme:dark){:root{--bg:#15161a;--card:#1d1f24;--ink:#e8e8ea;--soft:#9a9ea8;"
    "--rule:#31343b;--s1:#6ea2ff;--s2:#ff9a4d;--s3:#3ecfa4;--s4:#e07fd8;--s5:#d9bd4a;--s6:#ff7d8f;"
    "--heat:110,162,255;--edge:rgba(232,232,234,.3)}}*{box-sizing:border-box}"
    "body{margin:0;background:var(--bg);color:var(--ink);"
    "font:16px/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif;"
    "-webkit-text-size-adjust:100%}"
    "main{max-width:1180px;margin:0 auto;padding:44px 28px 70px}"
    "header p{margin:0;color:var(--soft)}"
    "h1{font-size:34px;line-height:1.15;letter-spacing:-.02em;margin:2px 0 6px}"
    "h2{font-size:20px;letter-spacing:-.01em;margin:46px 0 14px}"
    "h2+p{margin:-8px 0 14px;color:var(--soft);max-width:70ch}"
    ".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;background:var(--rule);"
    "border:1px solid var(--rule);border-radius:10px;overflow:hidden;margin:26px 0 0}"
    ".facts div{background:var(--card);padding:14px 18px}"
    ".facts dt{font-size:13px;color:var(--soft);margin:0}"
    ".facts dd{margin:2px 0 0;font-size:24px;line-height:1.2;font-weight:600;font-variant-numeric:tabular-nums}"
    ".facts dd small{font-size:14px;font-weight:400;color:var(--soft)}"
    ".facts .main dd{color:var(--s1)}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:18px}"
    "figure{margin:0}"
    ".chart,.panel{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px 16px 8px}"
    ".chart svg{display:block;width:100%;height:auto;overflow:visible}"
    "figcaption{display:flex;gap:16px;flex-wrap:wrap;font-size:14px;margin-bottom:6px}"
    ".key{color:var(--soft);white-space:nowrap}"
    ".key::before{content:\"\";display:inline-block;width:16px;height:3px;border-radius:2px;"
    "background:currentColor;margin-right:6px;vertical-align:middle}"
    ".s1{stroke:var(--s1);--c:var(--s1)}"
    ".s2{stroke:var(--s2);--c:var(--s2)}"
    ".s3{stroke:var(--s3);--c:var(--s3)}"
    ".s4{stroke:var(--s4);--c:var(--s4)}"
    ".s5{stroke:var(--s5);--c:var(--s5)}"
    ".s6{stroke:var(--s6);--c:var(--s6)}"
    ".key::before{background:var(--c)}"
    ".line{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".dashed{stroke-dasharray:5 4}"
    ".key.dashed::before{background:repeating-linear-gradient(90deg,var(--c) 0 5px,transparent 5px 8px)}"
    "td.best{font-weight:700}"
    ".dot{fill:var(--c);stroke:none}.grid{stroke:var(--rule)}"
    ".axis{stroke:var(--soft)}"
    ".mark{stroke:var(--soft);stroke-dasharray:3 4}"
    ".tick{font-size:12px;fill:var(--soft);font-variant-numeric:tabular-nums}"
    /* What goes on beyond an edge is seen to: a shadow there, a bar below. The first column stays. */
    ".scroll{overflow-x:auto;background:linear-gradient(90deg,var(--card) 40%,transparent) 0/36px 100%,"
    "linear-gradient(270deg,var(--card) 40%,transparent) 100%/36px 100%,"
    "linear-gradient(90deg,var(--edge),transparent) 0/16px 100%,"
    "linear-gradient(270deg,var(--edge),transparent) 100%/16px 100%,var(--card);"
    "background-repeat:no-repeat;background-attachment:local,local,scroll,scroll,scroll}"
    ".scroll::-webkit-scrollbar{height:8px}.scroll::-webkit-scrollbar-track{background:var(--rule);border-radius:4px}"
    ".scroll::-webkit-scrollbar-thumb{background:var(--soft);border-radius:4px}"
    "@supports not selector(::-webkit-scrollbar){.scroll{scrollbar-width:thin}}"
    ".scroll th:first-child,.scroll td.head{position:sticky;left:0;background:var(--card);z-index:1}"
    ".narrow{display:none}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14.5px}"
    "th{font-weight:600;text-align:left;color:var(--soft)}"
    "td,th{padding:5px 12px 5px 0;border-bottom:1px solid var(--rule);vertical-align:top}"
    "td.n,th.n{text-align:right}"
    "tr:last-child td{border-bottom:0}"
    ".confusion{border-collapse:separate;border-spacing:2px}"
    ".confusion td,.confusion th{border:0;padding:6px 4px;min-width:40px;text-align:center;border-radius:4px}"
    ".confusion th{color:var(--soft)}"
    ".confusion .zero{color:var(--soft)}"
    ".confusion .good{background:rgba(var(--heat),.16);font-weight:600}"
    /* A row of images beside its caption; on a phone below it, and as wide as it has to be. */
    ".images{display:grid;grid-template-columns:max-content 1fr;gap:0 14px;align-items:center}"
    ".images img{grid-column:2;image-rendering:pixelated;width:100%;max-width:860px;height:auto;display:block}"
    ".images span{grid-column:1;font-size:14px;color:var(--soft)}"
    ".bar{display:inline-block;height:9px;border-radius:2px;background:var(--s1);vertical-align:middle;"
    "min-width:1px}.wide{width:100%}.wide td{white-space:nowrap}"
    "td.rest{width:60%}.rest .bar{display:block;margin-top:7px}"
    "details{margin:10px 0 4px}"
    "summary{cursor:pointer;color:var(--soft);font-size:14px;margin-bottom:8px}"
    "code,pre{font-family:ui-monospace,\"SF Mono\",Menlo,Consolas,monospace;font-size:13.5px}"
    "pre{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:12px 14px;"
    "white-space:pre-wrap;overflow-wrap:anywhere;margin:0}"
    ".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(340px,100%),1fr));gap:18px}"
    ".two>div{min-width:0}"
    "footer{margin-top:56px;padding-top:14px;border-top:1px solid var(--rule);color:var(--soft);font-size:14px}"
    "@media(max-width:560px){main{padding:26px 16px}.charts{grid-template-columns:1fr}h1{font-size:28px}"
    ".narrow{display:inline}.wide td.head{white-space:normal;min-width:104px;max-width:36vw}"
    ".chart .tick{font-size:19px}"
    ".images{display:block}.images span{position:sticky;left:0;display:inline-block;padding-top:8px}"
    ".images span:empty{display:none}.images img{max-width:none}}";
/* clang-format on */

void lcl__page_begin(lcl_str *o, const char *title) {
  lcl__str_html(o,
                "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
                "content=\"width=device-width,initial-scale=1\"><title>%s</title><style>",
                title);
  lcl__str_append(o, style, strlen(style));
  lcl__str_html(o, "</style><main>");
}

void lcl__page_end(lcl_str *o) {
  lcl__str_html(o, "</main></html>\n");
}
