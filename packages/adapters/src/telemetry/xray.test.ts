// Which addresses are AWS's, whose requests are signed; that they are is seen in cdk/emulation/tracing.test.ts.
import { expect, test } from "vitest";
import { signedEndpoint } from "./xray.ts";

test.each([
  ["https://xray.eu-west-1.amazonaws.com/v1/traces", "eu-west-1"],
  ["https://xray.us-gov-west-1.amazonaws.com/v1/traces", "us-gov-west-1"],
  ["https://xray.cn-north-1.amazonaws.com.cn/v1/traces", "cn-north-1"],
  ["https://xray.eu-west-1.amazonaws.com.evil.example/v1/traces", undefined],
  ["https://evil.example/xray.eu-west-1.amazonaws.com/v1/traces", undefined],
  ["http://127.0.0.1:4318/v1/traces", undefined],
  ["no address", undefined],
])("%s", (url, region) => expect(signedEndpoint(url)?.region).toBe(region));
