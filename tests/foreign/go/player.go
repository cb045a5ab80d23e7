// A player of the AWS SDK for Go: a line of JSON in, a call, a line of JSON out.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/apprunner"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/smithy-go"
	metadata "github.com/aws/smithy-go/middleware"
)

type question struct {
	Call  string
	Asked json.RawMessage
}

type refusal struct {
	Type    string `json:"type"` // the SDK's own, without its package
	Code    string `json:"code"`
	Message string `json:"message"`
}

type line struct {
	Answer  any      `json:"answer,omitempty"`
	Error   *refusal `json:"error,omitempty"`
	Request string   `json:"request"`
}

type call func(context.Context, json.RawMessage) (any, error)

func main() {
	if err := play(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func play(ctx context.Context) error {
	known, err := calls(ctx)
	if err != nil {
		return err
	}
	questions, lines := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for questions.Scan() {
		var asked question
		if err := json.Unmarshal(questions.Bytes(), &asked); err != nil {
			return err
		}
		perform, found := known[asked.Call]
		if !found {
			return fmt.Errorf("this player does not have %s", asked.Call)
		}
		described, err := outcome(perform(ctx, asked.Asked))
		if err != nil {
			return err
		}
		if err := lines.Encode(described); err != nil {
			return err
		}
	}
	return questions.Err()
}

func calls(ctx context.Context) (map[string]call, error) {
	environment, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	services := apprunner.NewFromConfig(environment)
	images := ecr.NewFromConfig(environment)
	logs := cloudwatchlogs.NewFromConfig(environment)
	return map[string]call{
		"apprunner.CreateService":   typed(services.CreateService),
		"apprunner.DeleteService":   typed(services.DeleteService),
		"apprunner.DescribeService": typed(services.DescribeService),
		"apprunner.ListOperations":  typed(services.ListOperations),
		"apprunner.ListServices":    typed(services.ListServices),
		"apprunner.UpdateService":   typed(services.UpdateService),
		"ecr.DescribeImages":        typed(images.DescribeImages),
		"ecr.DescribeRepositories":  typed(images.DescribeRepositories),
		"ecr.PutImage":              typed(images.PutImage),
		"logs.DescribeLogGroups":    typed(logs.DescribeLogGroups),
		"logs.DescribeLogStreams":   typed(logs.DescribeLogStreams),
		"logs.FilterLogEvents":      typed(logs.FilterLogEvents),
		"logs.GetLogEvents":         typed(logs.GetLogEvents),
	}, nil
}

// typed turns a call with the SDK's types into one with JSON.
func typed[Input, Output, Options any](perform func(context.Context, *Input, ...func(*Options)) (*Output, error)) call {
	return func(ctx context.Context, asked json.RawMessage) (any, error) {
		var input Input
		strict := json.NewDecoder(bytes.NewReader(asked))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&input); err != nil {
			return nil, err
		}
		output, err := perform(ctx, &input)
		if err != nil {
			return nil, err
		}
		return output, nil
	}
}

// outcome describes an answer or a refusal of the service; any other error is returned.
func outcome(answer any, err error) (line, error) {
	if err == nil {
		known := reflect.ValueOf(answer).Elem().FieldByName("ResultMetadata").Interface().(metadata.Metadata)
		request, _ := middleware.GetRequestIDMetadata(known)
		return line{Answer: answer, Request: request}, nil
	}
	var refused smithy.APIError
	var response *http.ResponseError
	if !errors.As(err, &refused) || !errors.As(err, &response) {
		return line{}, err
	}
	kind := strings.TrimPrefix(fmt.Sprintf("%T", refused), "*types.")
	return line{Error: &refusal{kind, refused.ErrorCode(), refused.ErrorMessage()}, Request: response.ServiceRequestID()}, nil
}
