// Posts a batch with the client of OpenAPI Generator: go run ./evaluate URL BATCH
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	lossmeter "example.com/lossmeter/client"
)

type tensor struct {
	Dtype string  `json:"dtype"`
	Shape []int64 `json:"shape"`
	Data  string  `json:"data"`
}

type batch struct {
	Logits    tensor `json:"logits"`
	Label     tensor `json:"label"`
	InputMask tensor `json:"input_mask"`
}

func anyTensor(given tensor) *lossmeter.AnyTensorBytes {
	return lossmeter.NewAnyTensorBytes(lossmeter.DType(given.Dtype), given.Shape, given.Data)
}

func main() {
	text, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	var given batch
	if err := json.Unmarshal(text, &given); err != nil {
		panic(err)
	}
	logits := lossmeter.NewFloatTensorBytes(lossmeter.FloatDType(given.Logits.Dtype), given.Logits.Shape, given.Logits.Data)
	mask := lossmeter.AnyTensorBytesAsInputMask(anyTensor(given.InputMask))
	request := lossmeter.NewCrossEntropyRequest(
		lossmeter.FloatTensorBytesAsLogits(logits),
		lossmeter.AnyTensorBytesAsLabel(anyTensor(given.Label)),
	)
	request.InputMask = &mask

	configuration := lossmeter.NewConfiguration()
	configuration.Servers = lossmeter.ServerConfigurations{{URL: os.Args[1]}}
	client := lossmeter.NewAPIClient(configuration)
	call := client.EvaluationAPI.EvaluateCrossEntropy(context.Background())
	evaluation, _, err := call.CrossEntropyRequest(*request).Execute()
	if err != nil {
		panic(err)
	}
	fmt.Println(*evaluation.Loss.Float64)
}
