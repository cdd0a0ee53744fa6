/* The Cloud API: the request, and one test for each row of what its answers mean. */
#include "gateway_fixture.h"

#include <errno.h>

#define ACCOUNT "{\"phone_number_id\":\"106540352242922\"}"
#define GROUP "Y2FwaV9ncm91cDo4ODAxNzEyMzQ1Njc4OjEyMDM2Mw=="

static const struct answer_row rows[] = {
    {"code 0, HTTP 401", 401,
     "{\"error\":{\"message\":\"(#0) Title\",\"type\":\"OAuthException\",\"code\":0,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), "Title"},
    {"code 190, HTTP 401", 401,
     "{\"error\":{\"message\":\"(#190) Title\",\"type\":\"OAuthException\",\"code\":190,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), "Title"},
    {"code 3, HTTP 500", 500,
     "{\"error\":{\"message\":\"(#3) Title\",\"type\":\"OAuthException\",\"code\":3,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), "Title"},
    {"code 10, HTTP 403", 403,
     "{\"error\":{\"message\":\"(#10) Title\",\"type\":\"OAuthException\",\"code\":10,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), "Title"},
    {"code 200, HTTP 403", 403,
     "{\"error\":{\"message\":\"(#200) Title\",\"type\":\"OAuthException\",\"code\":200,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), "Title"},
    {"code 250, HTTP 403", 403,
     "{\"error\":{\"message\":\"(#250) Title\",\"type\":\"OAuthException\",\"code\":250,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), "Title"},
    {"code 299, HTTP 403", 403,
     "{\"error\":{\"message\":\"(#299) Title\",\"type\":\"OAuthException\",\"code\":299,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), "Title"},
    {"code 131005, HTTP 403", 403,
     "{\"error\":{\"message\":\"(#131005) Title\",\"type\":\"OAuthException\",\"code\":131005,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), "Title"},
    {"code 4, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#4) Title\",\"type\":\"OAuthException\",\"code\":4,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 300), "Title"},
    {"code 4, HTTP 429", 429,
     "{\"error\":{\"message\":\"(#4) Title\",\"type\":\"OAuthException\",\"code\":4,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 300), "Title"},
    {"code 80007, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#80007) Title\",\"type\":\"OAuthException\",\"code\":80007,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 300), "Title"},
    {"code 80007, HTTP 429", 429,
     "{\"error\":{\"message\":\"(#80007) Title\",\"type\":\"OAuthException\",\"code\":80007,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 300), "Title"},
    {"code 17, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#17) Title\",\"type\":\"OAuthException\",\"code\":17,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 300), "Title"},
    {"code 17, HTTP 429", 429,
     "{\"error\":{\"message\":\"(#17) Title\",\"type\":\"OAuthException\",\"code\":17,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 300), "Title"},
    {"code 341, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#341) Title\",\"type\":\"OAuthException\",\"code\":341,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 300), "Title"},
    {"code 341, HTTP 429", 429,
     "{\"error\":{\"message\":\"(#341) Title\",\"type\":\"OAuthException\",\"code\":341,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 300), "Title"},
    {"code 613, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#613) Title\",\"type\":\"OAuthException\",\"code\":613,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 300), "Title"},
    {"code 613, HTTP 429", 429,
     "{\"error\":{\"message\":\"(#613) Title\",\"type\":\"OAuthException\",\"code\":613,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 300), "Title"},
    {"code 130429, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#130429) Title\",\"type\":\"OAuthException\",\"code\":130429,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 5), "Title"},
    {"code 131056, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131056) Title\",\"type\":\"OAuthException\",\"code\":131056,\"fbtrace_id\":\"A\"}}",
     WAITS(RECIPIENT, WAIT_BY_BACKOFF), "Title"},
    {"code 131048, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131048) Title\",\"type\":\"OAuthException\",\"code\":131048,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 21600), "Title"},
    {"code 133016, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#133016) Title\",\"type\":\"OAuthException\",\"code\":133016,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 3600), "Title"},
    {"code 130429, HTTP 429", 429,
     "{\"error\":{\"message\":\"(#130429) Title\",\"type\":\"OAuthException\",\"code\":130429,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 5), "Title"},
    {"code 131056, HTTP 429", 429,
     "{\"error\":{\"message\":\"(#131056) Title\",\"type\":\"OAuthException\",\"code\":131056,\"fbtrace_id\":\"A\"}}",
     WAITS(RECIPIENT, WAIT_BY_BACKOFF), "Title"},
    {"code 131048, HTTP 429", 429,
     "{\"error\":{\"message\":\"(#131048) Title\",\"type\":\"OAuthException\",\"code\":131048,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 21600), "Title"},
    {"code 133016, HTTP 429", 429,
     "{\"error\":{\"message\":\"(#133016) Title\",\"type\":\"OAuthException\",\"code\":133016,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 3600), "Title"},
    {"code 131064, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131064) Title\",\"type\":\"OAuthException\",\"code\":131064,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 21600), "Title"},
    {"code 368, HTTP 403", 403,
     "{\"error\":{\"message\":\"(#368) Title\",\"type\":\"OAuthException\",\"code\":368,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 21600), "Title"},
    {"code 131031, HTTP 403", 403,
     "{\"error\":{\"message\":\"(#131031) Title\",\"type\":\"OAuthException\",\"code\":131031,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 21600), "Title"},
    {"code 131042, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131042) Title\",\"type\":\"OAuthException\",\"code\":131042,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 3600), "Title"},
    {"code 130497, HTTP 403", 403,
     "{\"error\":{\"message\":\"(#130497) Title\",\"type\":\"OAuthException\",\"code\":130497,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 1, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#1) Title\",\"type\":\"OAuthException\",\"code\":1,\"fbtrace_id\":\"A\"}}",
     AGAIN, "Title"},
    {"code 2, HTTP 503", 503,
     "{\"error\":{\"message\":\"(#2) Title\",\"type\":\"OAuthException\",\"code\":2,\"fbtrace_id\":\"A\"}}",
     AGAIN, "Title"},
    {"code 131000, HTTP 500", 500,
     "{\"error\":{\"message\":\"(#131000) Title\",\"type\":\"OAuthException\",\"code\":131000,\"fbtrace_id\":\"A\"}}",
     AGAIN, "Title"},
    {"code 131016, HTTP 500", 500,
     "{\"error\":{\"message\":\"(#131016) Title\",\"type\":\"OAuthException\",\"code\":131016,\"fbtrace_id\":\"A\"}}",
     AGAIN, "Title"},
    {"code 133004, HTTP 503", 503,
     "{\"error\":{\"message\":\"(#133004) Title\",\"type\":\"OAuthException\",\"code\":133004,\"fbtrace_id\":\"A\"}}",
     AGAIN, "Title"},
    {"code 131052, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131052) Title\",\"type\":\"OAuthException\",\"code\":131052,\"fbtrace_id\":\"A\"}}",
     AGAIN, "Title"},
    {"code 131057, HTTP 500", 500,
     "{\"error\":{\"message\":\"(#131057) Title\",\"type\":\"OAuthException\",\"code\":131057,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), "Title"},
    {"code 2494100, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#2494100) Title\",\"type\":\"OAuthException\",\"code\":2494100,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 300), "Title"},
    {"code 33, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#33) Title\",\"type\":\"OAuthException\",\"code\":33,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 131037, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131037) Title\",\"type\":\"OAuthException\",\"code\":131037,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 131045, HTTP 500", 500,
     "{\"error\":{\"message\":\"(#131045) Title\",\"type\":\"OAuthException\",\"code\":131045,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 133010, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#133010) Title\",\"type\":\"OAuthException\",\"code\":133010,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 133000, HTTP 500", 500,
     "{\"error\":{\"message\":\"(#133000) Title\",\"type\":\"OAuthException\",\"code\":133000,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 133005, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#133005) Title\",\"type\":\"OAuthException\",\"code\":133005,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 133006, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#133006) Title\",\"type\":\"OAuthException\",\"code\":133006,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 133008, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#133008) Title\",\"type\":\"OAuthException\",\"code\":133008,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 133009, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#133009) Title\",\"type\":\"OAuthException\",\"code\":133009,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 133015, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#133015) Title\",\"type\":\"OAuthException\",\"code\":133015,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 134011, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#134011) Title\",\"type\":\"OAuthException\",\"code\":134011,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 131055, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131055) Title\",\"type\":\"OAuthException\",\"code\":131055,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 134100, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#134100) Title\",\"type\":\"OAuthException\",\"code\":134100,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "Title"},
    {"code 131030, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131030) Title\",\"type\":\"OAuthException\",\"code\":131030,\"fbtrace_id\":\"A\"}}",
     WAITS(RECIPIENT, 3600), "Title"},
    {"code 100, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#100) Title\",\"type\":\"OAuthException\",\"code\":100,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131008, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131008) Title\",\"type\":\"OAuthException\",\"code\":131008,\"fbtrace_id\":\"A\"}}",
     WAITS(TEMPLATE, 600), "Title"},
    {"code 131009, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131009) Title\",\"type\":\"OAuthException\",\"code\":131009,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 135000, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#135000) Title\",\"type\":\"OAuthException\",\"code\":135000,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131051, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131051) Title\",\"type\":\"OAuthException\",\"code\":131051,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131021, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131021) Title\",\"type\":\"OAuthException\",\"code\":131021,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131026, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131026) Title\",\"type\":\"OAuthException\",\"code\":131026,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 130403, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#130403) Title\",\"type\":\"OAuthException\",\"code\":130403,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131047, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131047) Title\",\"type\":\"OAuthException\",\"code\":131047,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131049, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131049) Title\",\"type\":\"OAuthException\",\"code\":131049,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131050, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131050) Title\",\"type\":\"OAuthException\",\"code\":131050,\"fbtrace_id\":\"A\"}}",
     OPTED_OUT, "Title"},
    {"code 130472, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#130472) Title\",\"type\":\"OAuthException\",\"code\":130472,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 137000, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#137000) Title\",\"type\":\"OAuthException\",\"code\":137000,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131062, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131062) Title\",\"type\":\"OAuthException\",\"code\":131062,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131053, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131053) Title\",\"type\":\"OAuthException\",\"code\":131053,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 132000, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#132000) Title\",\"type\":\"OAuthException\",\"code\":132000,\"fbtrace_id\":\"A\"}}",
     WAITS(TEMPLATE, 600), "Title"},
    {"code 132005, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#132005) Title\",\"type\":\"OAuthException\",\"code\":132005,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 132007, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#132007) Title\",\"type\":\"OAuthException\",\"code\":132007,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 132012, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#132012) Title\",\"type\":\"OAuthException\",\"code\":132012,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 132018, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#132018) Title\",\"type\":\"OAuthException\",\"code\":132018,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 132008, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#132008) Title\",\"type\":\"OAuthException\",\"code\":132008,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 132016, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#132016) Title\",\"type\":\"OAuthException\",\"code\":132016,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131020, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131020) Title\",\"type\":\"OAuthException\",\"code\":131020,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131041, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131041) Title\",\"type\":\"OAuthException\",\"code\":131041,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131059, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131059) Title\",\"type\":\"OAuthException\",\"code\":131059,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131202, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131202) Title\",\"type\":\"OAuthException\",\"code\":131202,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131204, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131204) Title\",\"type\":\"OAuthException\",\"code\":131204,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131209, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131209) Title\",\"type\":\"OAuthException\",\"code\":131209,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131210, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131210) Title\",\"type\":\"OAuthException\",\"code\":131210,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131211, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131211) Title\",\"type\":\"OAuthException\",\"code\":131211,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 131212, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131212) Title\",\"type\":\"OAuthException\",\"code\":131212,\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title"},
    {"code 132001, HTTP 404", 404,
     "{\"error\":{\"message\":\"(#132001) Title\",\"type\":\"OAuthException\",\"code\":132001,\"fbtrace_id\":\"A\"}}",
     WAITS(TEMPLATE, 600), "Title"},
    {"code 132015, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#132015) Title\",\"type\":\"OAuthException\",\"code\":132015,\"fbtrace_id\":\"A\"}}",
     WAITS(TEMPLATE, 3600), "Title"},
    {"code 132068, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#132068) Title\",\"type\":\"OAuthException\",\"code\":132068,\"fbtrace_id\":\"A\"}}",
     WAITS(TEMPLATE, 3600), "Title"},
    {"code 132069, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#132069) Title\",\"type\":\"OAuthException\",\"code\":132069,\"fbtrace_id\":\"A\"}}",
     WAITS(TEMPLATE, 3600), "Title"},
    {"code 131063, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131063) Title\",\"type\":\"OAuthException\",\"code\":131063,\"fbtrace_id\":\"A\"}}",
     WAITS(TEMPLATE, 3600), "Title"},
    {"code 134101, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#134101) Title\",\"type\":\"OAuthException\",\"code\":134101,\"fbtrace_id\":\"A\"}}",
     WAITS(TEMPLATE, 600), "Title"},
    {"code 134102, HTTP 500", 500,
     "{\"error\":{\"message\":\"(#134102) Title\",\"type\":\"OAuthException\",\"code\":134102,\"fbtrace_id\":\"A\"}}",
     WAITS(TEMPLATE, 600), "Title"},
    {"code 131207, HTTP 403", 403,
     "{\"error\":{\"message\":\"(#131207) Title\",\"type\":\"OAuthException\",\"code\":131207,\"fbtrace_id\":\"A\"}}",
     WAITS(RECIPIENT, 21600), "Title"},
    {"code 131208, HTTP 429", 429,
     "{\"error\":{\"message\":\"(#131208) Title\",\"type\":\"OAuthException\",\"code\":131208,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), "Title"},
    {"code 131201, HTTP 206", 206,
     "{\"error\":{\"message\":\"(#131201) Title\",\"type\":\"OAuthException\",\"code\":131201,\"fbtrace_id\":\"A\"}}",
     IN_DOUBT, "HTTP 206"},
    {"code 131201, HTTP 400", 400,
     "{\"error\":{\"message\":\"(#131201) Title\",\"type\":\"OAuthException\",\"code\":131201,\"fbtrace_id\":\"A\"}}",
     IN_DOUBT, "Title"},
    {"the code decides, not the status 500", 500,
     "{\"error\":{\"message\":\"(#131026) Title\",\"type\":\"OAuthException\",\"code\":131026,\"fbtrace_id\":\"A\"}}",
     REJECTED, "code 131026"},
    {"the app wants a proof", 400,
     "{\"error\":{\"message\":\"API calls from the server require an appsecret_proof argument\",\"type\":\"GraphMethodException\",\"code\":100}}",
     WAITS(SENDER, 600), "Require App Secret"},
    {"the code decides, not the status 429", 429,
     "{\"error\":{\"message\":\"(#132000) Title\",\"type\":\"OAuthException\",\"code\":132000,\"fbtrace_id\":\"A\"}}",
     WAITS(TEMPLATE, 600), NULL},
    {"the code decides, not the status 502", 502,
     "{\"error\":{\"message\":\"(#2) Title\",\"type\":\"OAuthException\",\"code\":2,\"fbtrace_id\":\"A\"}}",
     AGAIN, NULL},
    {"a known code is not made transient", 400,
     "{\"error\":{\"message\":\"(#100) Title\",\"type\":\"OAuthException\",\"code\":100,\"is_transient\":true,\"fbtrace_id\":\"A\"}}",
     REJECTED, NULL},
    {"code 100 with subcode 33", 400,
     "{\"error\":{\"message\":\"(#100) Title\",\"type\":\"OAuthException\",\"code\":100,\"error_subcode\":33,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), "phone_number_id"},
    {"code 100 with another subcode", 400,
     "{\"error\":{\"message\":\"(#100) Title\",\"type\":\"OAuthException\",\"code\":100,\"error_subcode\":2388,\"fbtrace_id\":\"A\"}}",
     REJECTED, NULL},
    {"code as text", 400,
     "{\"error\":{\"message\":\"x\",\"code\":\"131026\"}}",
     REJECTED, "code 131026"},
    {"details as object", 400,
     "{\"error\":{\"message\":\"(#131026) Title\",\"type\":\"OAuthException\",\"code\":131026,\"error_data\":{\"messaging_product\":\"whatsapp\",\"details\":\"Not here\"},\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title: Not here"},
    {"details as text", 400,
     "{\"error\":{\"message\":\"(#131026) Title\",\"type\":\"OAuthException\",\"code\":131026,\"error_data\":\"Not there\",\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title: Not there"},
    {"details as a list", 400,
     "{\"error\":{\"message\":\"(#131026) Title\",\"type\":\"OAuthException\",\"code\":131026,\"error_data\":[1],\"fbtrace_id\":\"A\"}}",
     REJECTED, NULL},
    {"a user message", 400,
     "{\"error\":{\"message\":\"(#131026) Title\",\"type\":\"OAuthException\",\"code\":131026,\"error_user_msg\":\"Sorry\",\"fbtrace_id\":\"A\"}}",
     REJECTED, "Title: Sorry"},
    {"details that echo number, body and token", 400,
     "{\"error\":{\"message\":\"(#131026) Title\",\"type\":\"OAuthException\",\"code\":131026,\"error_data\":{\"details\":\"8801712345678 Meter 4711 has been stuck since 10:42 EAAGm0PX4ZCpsBAtoken\"},\"fbtrace_id\":\"A\"}}",
     REJECTED, "…78 […] […]"},
    {"unknown, transient", 400,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"is_transient\":true,\"fbtrace_id\":\"A\"}}",
     AGAIN, "transient"},
    {"unknown, transient, 429", 429,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"is_transient\":true,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), NULL},
    {"unknown, transient as text is not", 400,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"is_transient\":\"true\",\"fbtrace_id\":\"A\"}}",
     AGAIN, "not documented"},
    {"unknown, 500", 500,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"fbtrace_id\":\"A\"}}",
     AGAIN, NULL},
    {"unknown, 503", 503,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"fbtrace_id\":\"A\"}}",
     AGAIN, NULL},
    {"unknown, 502 with a code", 502,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"fbtrace_id\":\"A\"}}",
     AGAIN, NULL},
    {"unknown, 401", 401,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), NULL},
    {"unknown, 403", 403,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), NULL},
    {"unknown, 429", 429,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 60), NULL},
    {"unknown, 400", 400,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"fbtrace_id\":\"A\"}}",
     AGAIN, NULL},
    {"unknown, 404", 404,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"fbtrace_id\":\"A\"}}",
     AGAIN, NULL},
    {"unknown, 302", 302,
     "{\"error\":{\"message\":\"(#999999) Title\",\"type\":\"OAuthException\",\"code\":999999,\"fbtrace_id\":\"A\"}}",
     WAITS(SENDER, 600), NULL},
    {"unknown, no status of an answer", 101,
     "{\"error\":{\"message\":\"x\",\"code\":999999}}",
     IN_DOUBT, "code 999999"},
    {"a float as code", 400,
     "{\"error\":{\"message\":\"x\",\"code\":131026.5}}",
     AGAIN, NULL},
    {"a huge code", 400,
     "{\"error\":{\"message\":\"x\",\"code\":99999999999999999999999999}}",
     AGAIN, NULL},
    {"a code beyond floating point", 400,
     "{\"error\":{\"message\":\"x\",\"code\":1e999}}",
     AGAIN, NULL},
    {"a negative code", 400,
     "{\"error\":{\"message\":\"x\",\"code\":-1}}",
     AGAIN, NULL},
    {"a code of null", 400,
     "{\"error\":{\"message\":\"x\",\"code\":null}}",
     AGAIN, NULL},
    {"the least code", 400,
     "{\"error\":{\"message\":\"x\",\"code\":-9223372036854775808}}",
     AGAIN, NULL},
    {"an object as code", 500,
     "{\"error\":{\"message\":\"x\",\"code\":{}}}",
     IN_DOUBT, NULL},
    {"transient without a code", 502,
     "{\"error\":{\"message\":\"x\",\"is_transient\":true}}",
     AGAIN, NULL},
    {"a page, HTTP 500", 500,
     "<html><head><title>Bad Gateway</title></head></html>",
     IN_DOUBT, "HTTP 500)"},
    {"a page, HTTP 501", 501,
     "<html><head><title>Bad Gateway</title></head></html>",
     IN_DOUBT, "HTTP 501)"},
    {"a page, HTTP 503", 503,
     "<html><head><title>Bad Gateway</title></head></html>",
     IN_DOUBT, "HTTP 503)"},
    {"a page, HTTP 502", 502,
     "<html><head><title>Bad Gateway</title></head></html>",
     IN_DOUBT, "HTTP 502)"},
    {"a page, HTTP 504", 504,
     "<html><head><title>Bad Gateway</title></head></html>",
     IN_DOUBT, "HTTP 504)"},
    {"a page, HTTP 520", 520,
     "<html><head><title>Bad Gateway</title></head></html>",
     IN_DOUBT, "HTTP 520)"},
    {"a page, HTTP 524", 524,
     "<html><head><title>Bad Gateway</title></head></html>",
     IN_DOUBT, "HTTP 524)"},
    {"a page, HTTP 521", 521,
     "<html><head><title>Bad Gateway</title></head></html>",
     AGAIN, "HTTP 521)"},
    {"a page, HTTP 522", 522,
     "<html><head><title>Bad Gateway</title></head></html>",
     AGAIN, "HTTP 522)"},
    {"a page, HTTP 401", 401,
     "<html><head><title>Bad Gateway</title></head></html>",
     WAITS(SENDER, 60), "HTTP 401)"},
    {"a page, HTTP 403", 403,
     "<html><head><title>Bad Gateway</title></head></html>",
     WAITS(SENDER, 60), "HTTP 403)"},
    {"a page, HTTP 407", 407,
     "<html><head><title>Bad Gateway</title></head></html>",
     WAITS(SENDER, 600), "HTTP 407)"},
    {"a page, HTTP 408", 408,
     "<html><head><title>Bad Gateway</title></head></html>",
     AGAIN, "HTTP 408)"},
    {"a page, HTTP 413", 413,
     "<html><head><title>Bad Gateway</title></head></html>",
     REJECTED, "HTTP 413)"},
    {"a page, HTTP 429", 429,
     "<html><head><title>Bad Gateway</title></head></html>",
     WAITS(SENDER, 60), "HTTP 429)"},
    {"a page, HTTP 400", 400,
     "<html><head><title>Bad Gateway</title></head></html>",
     WAITS(SENDER, 600), "HTTP 400)"},
    {"a page, HTTP 404", 404,
     "<html><head><title>Bad Gateway</title></head></html>",
     WAITS(SENDER, 600), "HTTP 404)"},
    {"a page, HTTP 405", 405,
     "<html><head><title>Bad Gateway</title></head></html>",
     WAITS(SENDER, 600), "HTTP 405)"},
    {"a page, HTTP 301", 301,
     "<html><head><title>Bad Gateway</title></head></html>",
     WAITS(SENDER, 600), "HTTP 301)"},
    {"a page, HTTP 307", 307,
     "<html><head><title>Bad Gateway</title></head></html>",
     WAITS(SENDER, 600), "HTTP 307)"},
    {"a page, HTTP 304", 304,
     "<html><head><title>Bad Gateway</title></head></html>",
     WAITS(SENDER, 600), "HTTP 304)"},
    {"a page, HTTP 101", 101,
     "<html><head><title>Bad Gateway</title></head></html>",
     IN_DOUBT, "HTTP 101)"},
    {"a page, HTTP 600", 600,
     "<html><head><title>Bad Gateway</title></head></html>",
     IN_DOUBT, "HTTP 600)"},
    {"502 with an error that has no code", 502,
     "{\"error\":{\"message\":\"bad gateway\"}}",
     IN_DOUBT, NULL},
    {"an error that is a text", 400,
     "{\"error\":\"no\"}",
     WAITS(SENDER, 600), "): no"},
    {"plain text", 503,
     "upstream connect error",
     IN_DOUBT, "upstream connect error"},
    {"accepted", 200,
     "{\"messaging_product\":\"whatsapp\",\"contacts\":[{\"input\":\"+8801712345678\",\"wa_id\":\"8801712345678\"}],\"messages\":[{\"id\":\"wamid.HBg\"}]}",
     ACCEPTED, NULL},
    {"accepted in a group", 200,
     "{\"messaging_product\":\"whatsapp\",\"contacts\":[{\"input\":\"+8801712345678\",\"wa_id\":\"8801712345678\"}],\"messages\":[{\"id\":\"wamid.HBg\",\"group_id\":\"Y2FwaV9n\"}]}",
     ACCEPTED, NULL},
    {"accepted, held for quality", 200,
     "{\"messaging_product\":\"whatsapp\",\"contacts\":[{\"input\":\"+8801712345678\",\"wa_id\":\"8801712345678\"}],\"messages\":[{\"id\":\"wamid.HBg\",\"message_status\":\"held_for_quality_assessment\"}]}",
     ACCEPTED, NULL},
    {"accepted, paused", 200,
     "{\"messaging_product\":\"whatsapp\",\"contacts\":[{\"input\":\"+8801712345678\",\"wa_id\":\"8801712345678\"}],\"messages\":[{\"id\":\"wamid.HBg\",\"message_status\":\"paused\"}]}",
     ACCEPTED, NULL},
    {"accepted with a partial success", 206,
     "{\"messages\":[{\"id\":\"wamid.HBg\"}],\"error\":{\"code\":131201,\"message\":\"x\"}}",
     ACCEPTED, NULL},
    {"200 with empty", 200,
     "",
     IN_DOUBT, "it is empty"},
    {"200 with no JSON", 200,
     "OK",
     IN_DOUBT, "can't be understood"},
    {"200 with a page", 200,
     "<html><head><title>Bad Gateway</title></head></html>",
     OF_NOBODY, "check base_url"},
    {"200 with no id", 200,
     "{\"messages\":[]}",
     IN_DOUBT, "no messages[0].id"},
    {"200 with no messages", 200,
     "{\"success\":true}",
     IN_DOUBT, "no messages[0].id"},
    {"200 with an error in it", 200,
     "{\"error\":{\"message\":\"(#131026) Title\",\"type\":\"OAuthException\",\"code\":131026,\"fbtrace_id\":\"A\"}}",
     IN_DOUBT, "Title"},
    {"200 with an id that is a number", 200,
     "{\"messages\":[{\"id\":7}]}",
     IN_DOUBT, "can't be kept"},
    {"200 with an empty id", 200,
     "{\"messages\":[{\"id\":\"\"}]}",
     IN_DOUBT, "can't be kept"},
    {"200 with an id with NUL", 200,
     "{\"messages\":[{\"id\":\"a\\u0000b\"}]}",
     IN_DOUBT, "can't be kept"},
    {"200 with an id with a line end", 200,
     "{\"messages\":[{\"id\":\"a\\nb\"}]}",
     IN_DOUBT, "can't be kept"},
    {"200 with null", 200,
     "null",
     IN_DOUBT, "no messages[0].id"},
    {"200 with two documents", 200,
     "{} {}",
     IN_DOUBT, "can't be understood"},
    {"200 with a cut document", 200,
     "{\"messages\":[{\"id\":\"wamid.HBg\"",
     IN_DOUBT, "can't be understood"},
};

static void understand(const struct reply *reply, bool is_template, struct outcome *ret) {
    _cleanup_(json_freep) struct json *account = parsed(ACCOUNT);
    struct sender sender = {.name = "main", .base_url = "", .account = json_root(account), .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);

    message.template = is_template ? json_root(account) : NULL;
    gateway_outcome(&gateway_cloud, &sender, &message, reply, ret);
}

static void test_answer(void **state) {
    const struct answer_row *row = *state;
    struct reply reply = reply_of(row->status, row->body);
    struct outcome o;

    understand(&reply, true, &o);
    assert_outcome(&o, row->kind, row->scope, row->wait_sec, row->reason_holds);
    assert_int_equal(o.status, row->status);
    if (row->kind == OUTCOME_ACCEPTED)
        assert_string_equal(o.message_id, "wamid.HBg");
    if (row->scope == SCOPE_TEMPLATE) { /* where a text was sent, no template can wait */
        understand(&reply, false, &o);
        assert_outcome(&o, row->kind, SCOPE_MESSAGE, row->wait_sec, row->reason_holds);
    }
}

static void test_retry_after_is_honoured(void **state) {
    struct reply reply = reply_of(429, "{\"error\":{\"code\":130429,\"message\":\"x\"}}");
    struct outcome o;

    reply.retry_after_sec = 90;
    understand(&reply, false, &o);
    assert_outcome(&o, WAITS(SENDER, 90), NULL);
    reply.retry_after_sec = 1; /* less than the table's */
    understand(&reply, false, &o);
    assert_outcome(&o, WAITS(SENDER, 5), NULL);
    reply = reply_of(500, "{\"error\":{\"code\":131000,\"message\":\"x\"}}");
    reply.retry_after_sec = 20;
    understand(&reply, false, &o);
    assert_outcome(&o, WAITS(MESSAGE, 20), NULL);
}

static void test_hostile_replies(void **state) {
    static const char *const replies[] = {
        "[]", "7", "\"x\"", "{\"messages\":{}}", "{\"messages\":[[]]}", "{\"messages\":[{\"id\":{}}]}", "{\"messages\":[{\"id\":[]}]}",
        "{\"messages\":[{\"id\":null}]}", "{\"error\":[]}", "{\"error\":{}}",
        "{\"error\":{\"code\":\"x\"}}", "{\"error\":{\"code\":\"-9223372036854775808\"}}", "{\"error\":{\"code\":[]}}",
        "{\"error\":{\"code\":9223372036854775807}}", "{\"error\":{\"message\":{},\"error_data\":{\"details\":[]}}}",
        "{\"error\":{\"code\":100,\"error_subcode\":{}}}", "{\"error\":{\"message\":\"\\u0000" NUMBER_DIGITS "\",\"code\":1}}",
    };
    static char long_id[1024 * 1024], message_text[100 * 1024];
    _cleanup_(json_freep) struct json *account = parsed(ACCOUNT);
    struct sender sender = {.name = "main", .base_url = "", .account = json_root(account), .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);
    int n;

    survive_hostile_replies(&gateway_cloud, &sender, &message, replies, ELEMENTSOF(replies), 0);
    memset(long_id, 'w', sizeof(long_id));
    memcpy(long_id, "{\"messages\":[{\"id\":\"", 20);
    memcpy(long_id + sizeof(long_id) - 5, "\"}]}", 5);
    assert_survives(&gateway_cloud, &sender, &message, long_id, sizeof(long_id) - 1, 0);
    n = snprintf(message_text, sizeof(message_text), "{\"error\":{\"code\":131026,\"message\":\"%0*d\"}}", 90000, 7);
    assert_survives(&gateway_cloud, &sender, &message, message_text, (size_t) n, 0);
}

/* --- the request --- */

static int request_for(const char *base_url, const char *account, const char *secret, const struct message *message,
                       struct request *request, struct outcome *outcome) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "main", .base_url = base_url, .account = json_root(doc), .secret = secret};

    memset(outcome, 0, sizeof(*outcome));
    request_init(request);
    return gateway_cloud.request(&sender, message, request, outcome);
}

static void assert_body(const struct message *message, const char *expected) {
    struct request request;
    struct outcome o;

    assert_int_equal(request_for("", ACCOUNT, SECRET, message, &request, &o), 1);
    assert_string_equal(buf_string(&request.body), expected);
    request_done(&request);
}

static void assert_refused(const struct message *message, const char *reason_holds) {
    struct request request;
    struct outcome o;

    assert_int_equal(request_for("", ACCOUNT, SECRET, message, &request, &o), 0);
    assert_outcome(&o, REJECTED, reason_holds);
    request_done(&request);
}

static void test_head(void **state) {
    struct message message = message_to(NUMBER, BODY);
    struct request request;
    struct outcome o;

    assert_int_equal(request_for("", ACCOUNT, SECRET, &message, &request, &o), 1);
    assert_string_equal(request.method, "POST");
    assert_string_equal(buf_string(&request.url), "https://graph.facebook.com/v25.0/106540352242922/messages");
    assert_string_equal(header_of(&request, "Authorization"), "Bearer " SECRET);
    assert_string_equal(header_of(&request, "Content-Type"), "application/json");
    assert_int_equal(request.header_count, 2);
    request_done(&request);
    assert_int_equal(request_for("http://127.0.0.1:8080/", "{\"phone_number_id\":123,\"api_version\":\"v26.0\"}", SECRET, &message,
                                 &request, &o), 1);
    assert_string_equal(buf_string(&request.url), "http://127.0.0.1:8080/v26.0/123/messages");
    request_done(&request);
}

static void test_text(void **state) {
    struct message message = message_to(NUMBER, "Say \"hi\"\n\\ é €");

    assert_body(&message, "{\"messaging_product\":\"whatsapp\",\"recipient_type\":\"individual\",\"to\":\"" NUMBER "\","
                          "\"type\":\"text\",\"text\":{\"preview_url\":false,\"body\":\"Say \\\"hi\\\"\\n\\\\ é €\"},"
                          "\"biz_opaque_callback_data\":\"12.34\"}");
}

static void test_group(void **state) {
    struct message message = message_to(GROUP, "x");

    assert_body(&message, "{\"messaging_product\":\"whatsapp\",\"recipient_type\":\"group\",\"to\":\"" GROUP "\","
                          "\"type\":\"text\",\"text\":{\"preview_url\":false,\"body\":\"x\"},"
                          "\"biz_opaque_callback_data\":\"12.34\"}");
}

static void test_targets_refused(void **state) {
    static const char *const individuals[] = {"+88017 12345678", "+0171234567", "+", "+12345678901234567", "+880171234567x"};
    struct message message = message_to("120363041234567890@g.us", "x");

    assert_refused(&message, "use a wppconnect sender");
    message.target = "not base64!";
    assert_refused(&message, "group id of the Cloud API");
    message.target = NUMBER_DIGITS; /* without + the API would prepend the sender's own country */
    message.is_group = false;
    assert_refused(&message, "E.164");
    for (size_t i = 0; i < ELEMENTSOF(individuals); i++) {
        message.target = individuals[i];
        assert_refused(&message, "E.164");
    }
}

static void test_body_limits(void **state) {
    static char body[4 * 4097 + 1];
    struct message message = message_to(NUMBER, "");
    struct request request;
    struct outcome o;

    assert_refused(&message, "empty");
    message.body = " \n\t";
    assert_refused(&message, "empty");
    /* Characters count, not bytes. */
    message.body = body;
    for (size_t i = 0; i < 4096; i++)
        memcpy(body + 4 * i, "\xf0\x9f\x98\x80", 4);
    assert_int_equal(request_for("", ACCOUNT, SECRET, &message, &request, &o), 1);
    request_done(&request);
    memcpy(body + sizeof(body) - 5, "\xf0\x9f\x98\x80", 4);
    assert_refused(&message, "4097 characters, and the Cloud API takes 4096");
}

#define TEMPLATE_HEAD                                                                                                          \
    "{\"messaging_product\":\"whatsapp\",\"recipient_type\":\"individual\",\"to\":\"" NUMBER                                   \
    "\",\"type\":\"template\",\"template\":{\"name\":\"stuck\",\"language\":{\"code\":\"en_US\"}"
#define TEMPLATE_TAIL "},\"biz_opaque_callback_data\":\"12.34\"}"

static void assert_template(const char *template, const char *expected) {
    _cleanup_(json_freep) struct json *doc = parsed(template);
    struct message message = message_to(NUMBER, "");

    message.template = json_root(doc);
    assert_body(&message, expected);
}

static void assert_template_refused(const char *template, const char *reason_holds) {
    _cleanup_(json_freep) struct json *doc = parsed(template);
    struct message message = message_to(NUMBER, "");

    message.template = json_root(doc);
    assert_refused(&message, reason_holds);
}

static void test_template_without_parameters(void **state) {
    assert_template("{\"name\":\"stuck\",\"language\":\"en_US\"}", TEMPLATE_HEAD TEMPLATE_TAIL);
    assert_template("{\"name\":\"stuck\",\"language\":\"en_US\",\"parameters\":[]}", TEMPLATE_HEAD TEMPLATE_TAIL);
    assert_template("{\"name\":\"stuck\",\"language\":\"en_US\",\"parameters\":null}", TEMPLATE_HEAD TEMPLATE_TAIL);
}

static void test_template_positional(void **state) {
    assert_template("{\"name\":\"stuck\",\"language\":\"en_US\",\"parameters\":[{\"text\":\"M-1\"},{\"text\":42}]}",
                    TEMPLATE_HEAD ",\"components\":[{\"type\":\"body\",\"parameters\":[{\"type\":\"text\",\"text\":\"M-1\"},"
                                  "{\"type\":\"text\",\"text\":\"42\"}]}]" TEMPLATE_TAIL);
}

static void test_template_named(void **state) {
    assert_template("{\"name\":\"stuck\",\"language\":\"en_US\",\"parameters\":[{\"name\":\"meter\",\"text\":\"\\\"M\\\"\"}]}",
                    TEMPLATE_HEAD ",\"components\":[{\"type\":\"body\",\"parameters\":[{\"type\":\"text\",\"parameter_name\":"
                                  "\"meter\",\"text\":\"\\\"M\\\"\"}]}]" TEMPLATE_TAIL);
}

static void test_template_values_are_flattened(void **state) {
    assert_template("{\"name\":\"stuck\",\"language\":\"en_US\",\"parameters\":[{\"text\":\"a\\nb\\tc\\r\\n \\n d    e     f\"}]}",
                    TEMPLATE_HEAD ",\"components\":[{\"type\":\"body\",\"parameters\":[{\"type\":\"text\",\"text\":"
                                  "\"a b c d    e f\"}]}]" TEMPLATE_TAIL);
}

static void test_template_refused(void **state) {
    assert_template_refused("{\"language\":\"en\"}", "gateway_name");
    assert_template_refused("{\"name\":\"\",\"language\":\"en\"}", "gateway_name");
    assert_template_refused("{\"name\":\"x\"}", "gateway_locale");
    assert_template_refused("{\"name\":\"x\",\"language\":\"en\",\"parameters\":{}}", "not a list");
    assert_template_refused("{\"name\":\"x\",\"language\":\"en\",\"parameters\":[{\"text\":\"a\"},{\"text\":\" \\n\"}]}",
                            "parameter 2 is empty");
    assert_template_refused("{\"name\":\"x\",\"language\":\"en\",\"parameters\":[{}]}", "parameter 1 is empty");
    assert_template_refused("{\"name\":\"x\",\"language\":\"en\",\"parameters\":[{\"text\":{}}]}", "parameter 1 is empty");
    assert_template_refused("{\"name\":\"x\",\"language\":\"en\",\"parameters\":[7]}", "parameter 1 is empty");
    assert_template_refused("{\"name\":\"x\",\"language\":\"en\",\"parameters\":[{\"name\":\"n\",\"text\":\"a\"},{\"text\":\"b\"}]}",
                            "all or none");
}

static void test_template_value_too_long(void **state) {
    static char template[40000];

    (void) snprintf(template, sizeof(template), "{\"name\":\"x\",\"language\":\"en\",\"parameters\":[{\"text\":\"%0*d\"}]}", 32769, 1);
    assert_template_refused(template, "parameter 1 is longer than 32768");
}

/* --- the sender's row --- */

static void assert_incomplete(const char *base_url, const char *account, const char *secret, const char *what) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "main", .base_url = base_url, .account = json_root(doc), .secret = secret};
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);
    struct message message = message_to(NUMBER, BODY);
    struct request request;
    struct outcome o;

    assert_int_equal(gateway_cloud.check(&sender, &fault), -EINVAL);
    if (!strstr(buf_string(&fault), what))
        fail_msg("not \"%s\" in: %s", what, buf_string(&fault));
    /* A row that is wrong costs no message anything. */
    assert_int_equal(request_for(base_url, account, secret, &message, &request, &o), 0);
    assert_outcome(&o, WAITS(SENDER, 60), what);
    request_done(&request);
}

static void test_check(void **state) {
    _cleanup_(json_freep) struct json *doc = parsed("{\"phone_number_id\":\"1\",\"api_version\":\"v9.10\"}");
    struct sender sender = {.name = "main", .base_url = "https://x/y", .account = json_root(doc), .secret = SECRET};
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);

    assert_int_equal(gateway_cloud.check(&sender, &fault), 0);
    sender.base_url = NULL;
    assert_int_equal(gateway_cloud.check(&sender, &fault), 0);
    assert_string_equal(buf_string(&fault), "");
    sender.account = NULL;
    assert_int_equal(gateway_cloud.check(&sender, &fault), -EINVAL);
    assert_incomplete("", "{}", SECRET, "{\"phone_number_id\": \"106540352242922\"}");
    assert_incomplete("", "{\"phone_number_id\":\"+8801\"}", SECRET, "not a number's id");
    assert_incomplete("", "{\"phone_number_id\":\"1/../2\"}", SECRET, "not a number's id");
    assert_incomplete("", "{\"phone_number_id\":[]}", SECRET, "phone_number_id");
    assert_incomplete("", "{\"phone_number_id\":\"1\",\"api_version\":\"25\"}", SECRET, "\"v25.0\"");
    assert_incomplete("", "{\"phone_number_id\":\"1\",\"api_version\":\"v25.0/x\"}", SECRET, "api_version");
    assert_incomplete("", "{\"phone_number_id\":\"1\",\"api_version\":{}}", SECRET, "api_version");
    assert_incomplete("graph.facebook.com", ACCOUNT, SECRET, "base_url");
    assert_incomplete("https://x/?y", ACCOUNT, SECRET, "base_url");
    assert_incomplete("", ACCOUNT, NULL, "'whatsapp_token'");
    assert_incomplete("", ACCOUNT, "", "no access token");
    assert_incomplete("", ACCOUNT, "a\r\nX: y", "control character");
}

int main(void) {
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_retry_after_is_honoured), cmocka_unit_test(test_hostile_replies), cmocka_unit_test(test_head),
        cmocka_unit_test(test_text), cmocka_unit_test(test_group), cmocka_unit_test(test_targets_refused),
        cmocka_unit_test(test_body_limits), cmocka_unit_test(test_template_without_parameters),
        cmocka_unit_test(test_template_positional), cmocka_unit_test(test_template_named),
        cmocka_unit_test(test_template_values_are_flattened), cmocka_unit_test(test_template_refused),
        cmocka_unit_test(test_template_value_too_long), cmocka_unit_test(test_check),
    };
    static struct CMUnitTest tests[ELEMENTSOF(rows) + ELEMENTSOF(others)];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        tests[i] = (struct CMUnitTest) {.name = rows[i].name, .test_func = test_answer, .initial_state = (void *) &rows[i]};
    memcpy(tests + ELEMENTSOF(rows), others, sizeof(others));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
