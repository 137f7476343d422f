-- POST /v2/models/iris/infer: MLServer, by the Open Inference Protocol.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"inputs":[{"name":"predict","shape":[1,4],"datatype":"FP64","data":[3.5,5.1,0.2,1.4]}]}'
