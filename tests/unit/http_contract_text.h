/* The contract of the surface in http_fixture.c. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_HTTP_CONTRACT_TEXT_H
#define TESTS_UNIT_HTTP_CONTRACT_TEXT_H

/* clang-format off */
static const char test_contract_text[] =
    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Test\",\"version\":\"1\"},\"tags\":[{\"name"
    "\":\"T\"}],\"paths\":{\"/api/items\":{\"get\":{\"operationId\":\"listItems\",\"responses"
    "\":{\"200\":{\"description\":\"ok\"}},\"parameters\":[{\"$ref\":\"#/components/parameter"
    "s/limit\"},{\"name\":\"tag\",\"in\":\"query\",\"schema\":{\"enum\":[\"red\",\"blue\"]}},"
    "{\"name\":\"deep\",\"in\":\"query\",\"schema\":{\"type\":\"boolean\",\"default\":false}}"
    "]},\"post\":{\"operationId\":\"createItem\",\"responses\":{\"201\":{\"description\":\"ok"
    "\",\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/NewIte"
    "m\"}}}}},\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema"
    "\":{\"$ref\":\"#/components/schemas/NewItem\"}}}}}},\"/api/items/{id}\":{\"parameters\":"
    "[{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}],"
    "\"get\":{\"operationId\":\"getItem\",\"responses\":{\"200\":{\"description\":\"ok\",\"co"
    "ntent\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Item\"}}}}}}}"
    ",\"/api/items/special\":{\"get\":{\"operationId\":\"special\",\"responses\":{\"200\":{\""
    "description\":\"ok\"}}}},\"/api/raw\":{\"post\":{\"operationId\":\"raw\",\"responses\":{"
    "\"200\":{\"description\":\"ok\"}},\"x-lathe-raw-body\":true,\"x-lathe-max-body-bytes\":1"
    "048576,\"requestBody\":{\"content\":{\"application/octet-stream\":{}}}}},\"/api/park\":{"
    "\"get\":{\"operationId\":\"park\",\"responses\":{\"200\":{\"description\":\"ok\"}}}},\"/"
    "api/release\":{\"get\":{\"operationId\":\"release\",\"responses\":{\"200\":{\"descriptio"
    "n\":\"ok\"}},\"parameters\":[{\"name\":\"answer\",\"in\":\"query\",\"schema\":{\"type\":"
    "\"boolean\"}}]}},\"/api/silent\":{\"get\":{\"operationId\":\"silent\",\"responses\":{\"2"
    "00\":{\"description\":\"ok\"}}}},\"/api/big\":{\"get\":{\"operationId\":\"big\",\"respon"
    "ses\":{\"200\":{\"description\":\"ok\"}}}},\"/api/liar\":{\"get\":{\"operationId\":\"lia"
    "r\",\"responses\":{\"200\":{\"description\":\"ok\",\"content\":{\"application/json\":{\""
    "schema\":{\"$ref\":\"#/components/schemas/Item\"}}}}}}},\"/api/slow\":{\"get\":{\"operat"
    "ionId\":\"slow\",\"responses\":{\"200\":{\"description\":\"ok\"}}}},\"/api/slow-fail\":{"
    "\"get\":{\"operationId\":\"slowFail\",\"responses\":{\"200\":{\"description\":\"ok\"}}}}"
    ",\"/api/stored\":{\"get\":{\"operationId\":\"stored\",\"responses\":{\"200\":{\"descript"
    "ion\":\"ok\"}}}},\"/api/ticket\":{\"post\":{\"operationId\":\"ticket\",\"responses\":{\""
    "200\":{\"description\":\"ok\"}}}},\"/api/who\":{\"get\":{\"operationId\":\"who\",\"respo"
    "nses\":{\"200\":{\"description\":\"ok\"}}}},\"/api/events\":{\"get\":{\"operationId\":\""
    "events\",\"responses\":{\"200\":{\"description\":\"ok\"}},\"parameters\":[{\"name\":\"fl"
    "ood\",\"in\":\"query\",\"schema\":{\"type\":\"boolean\"}},{\"name\":\"close\",\"in\":\"q"
    "uery\",\"schema\":{\"type\":\"boolean\"}}]}},\"/ws/echo/{id}\":{\"get\":{\"operationId\""
    ":\"echo\",\"responses\":{\"101\":{\"description\":\"up\"}},\"x-lathe-websocket\":true,\""
    "parameters\":[{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\""
    "string\"}}]}}},\"components\":{\"parameters\":{\"limit\":{\"name\":\"limit\",\"in\":\"qu"
    "ery\",\"schema\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":10}}},"
    "\"schemas\":{\"Item\":{\"type\":\"object\",\"required\":[\"id\"],\"properties\":{\"id\":"
    "{\"type\":\"string\"}}},\"NewItem\":{\"type\":\"object\",\"required\":[\"name\"],\"addit"
    "ionalProperties\":false,\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":1},"
    "\"count\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":5},\"tags\":{"
    "\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}}}}";
/* clang-format on */

#endif
