// A player of the AWS SDK for JavaScript: a line of JSON in, a call, a line of JSON out.
import { createInterface } from "node:readline";
import * as apprunner from "@aws-sdk/client-apprunner";
import * as logs from "@aws-sdk/client-cloudwatch-logs";
import * as ecr from "@aws-sdk/client-ecr";

const sdks = { apprunner, ecr, logs };
const clients = {
  apprunner: new apprunner.AppRunnerClient(),
  ecr: new ecr.ECRClient(),
  logs: new logs.CloudWatchLogsClient(),
};

async function outcome({ call, asked }) {
  const [service, operation] = call.split(".");
  try {
    const command = new sdks[service][`${operation}Command`](asked);
    const { $metadata, ...answer } = await clients[service].send(command);
    return { answer, request: $metadata.requestId };
  } catch (error) {
    if (error.$metadata === undefined) throw error; // not a refusal of the service
    const { constructor, name, message, $metadata } = error;
    return { error: { type: constructor.name, code: name, message }, request: $metadata.requestId };
  }
}

for await (const question of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await outcome(JSON.parse(question))));
}
